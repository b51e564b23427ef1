#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real clients push into a skald of their own; every line is read back exactly once, with its labels and metadata.

  test_clients.py CACHE [CLIENT]...    CACHE: where npm puts the libraries; CLIENT: a name in CLIENTS, all without one

Clients that send again what failed have the server killed and started again amid their pushes. Ends with 77, and says why, when
the client cannot be had here: no npm, no registry, no syslog-ng.
"""
import collections
import fcntl
import hashlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
from skaldtest import Server  # noqa: E402

SKIPPED = 77
COUNT = 240
WAIT_S = 40
LEVELS = ("error", "warn", "info", "debug")
STREAMS = ("web", "db-Ω", "日志")
ODD = (
    "plain", "tab\there", 'quote " and \\ backslash', "new\nline", "cr\r\nlf", "é è ü — “quotes”", "日本語 and 한국어", "😀 👩‍👩‍👧 🇩🇪",
    "مرحبا שלום", "e\u0301 combining", "line\u2028and\u2029paragraph", "\ufeffbom \ufffd \uffff", "bell\x07 escape\x1b[31mred\x1b[0m del\x7f",
    "nul\x00inside", '{"json":"in json","n":[1,2]}', "level=info msg=\"logfmt\"", "<b>&amp;</b>", "%s %d %j %", "${env} {{ .x }}", " lead and trail ",
    "percent %00 %zz", "'; DROP TABLE logs; --", "x" * 20000, "語" * 3000)


OURS = ("EINTEGRITY", "EUSAGE", "ETARGET", "E404", "EJSONPARSE", "ENOLOCK")  # npm's words for a lock file that is wrong
RETRY_S = 600  # npm that failed is asked again after


class Unavailable(Exception):
    pass


def records():
    return [{"level": LEVELS[i % 4], "stream": STREAMS[i % 3], "text": "%04d %s" % (i, ODD[i % len(ODD)]),
             "meta": {"seq": str(i), "user": ODD[(i * 7) % 17]}} for i in range(COUNT)]


# ---- libraries ----

def run_npm(work):
    """npm ci into `work`. Its own cache, no scripts of packages."""
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000",
               "--cache", os.path.join(os.path.dirname(work), "npm")]
    try:
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise Unavailable("npm ci did not end within 240 s")
    if done.returncode == 0:
        return
    said = " ".join(done.stderr.split())
    if any(word in said for word in OURS):
        raise AssertionError("npm ci: " + said[:1000])
    raise Unavailable("npm ci failed: " + said[:300])


def install(folder):
    """npm's failure is remembered for a while, so that not every client waits for it again."""
    work, failed = folder + ".new", folder + ".failed"
    if os.path.exists(failed) and time.time() - os.path.getmtime(failed) < RETRY_S:
        with open(failed) as f:
            raise Unavailable(f.read())
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, file), work)
    try:
        run_npm(work)
    except Unavailable as e:
        with open(failed, "w") as f:
            f.write(str(e))
        raise
    os.rename(work, folder)


def installed(cache, node_min=18):
    """The folder with the libraries that package-lock.json names; installs them at most once for each lock file."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Unavailable("no %s here" % program)
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < node_min:
        raise Unavailable("node is %s, the library needs %d" % (version.strip(), node_min))
    with open(os.path.join(HERE, "package-lock.json"), "rb") as f:
        name = hashlib.sha256(f.read()).hexdigest()[:16]
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(cache, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = os.path.join(cache, name)
        if not os.path.isdir(folder):
            install(folder)
    return os.path.join(folder, "node_modules")


# ---- programs ----

class Node:
    """A client of records.js."""

    def __init__(self, server, modules, script, *options):
        self.file = os.path.join(server.folder, "records.json")
        with open(self.file, "w") as f:
            json.dump(records(), f)
        self.errors = open(os.path.join(server.folder, "client.log"), "w+")
        self.proc = subprocess.Popen(["node", os.path.join(HERE, script), "http://127.0.0.1:%d" % server.port, self.file, *options],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                     env=dict(os.environ, NODE_PATH=modules))
        self.said = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.proc.stdout:
            self.said.put(line.strip())
        self.said.put(None)

    def order(self, text):
        self.proc.stdin.write(text + "\n")
        self.proc.stdin.flush()

    def fail(self, what):
        self.errors.seek(0)
        raise AssertionError("%s: %s" % (what, self.errors.read()[-2000:]))

    def expect(self, start):
        end = time.monotonic() + WAIT_S
        while True:
            try:
                line = self.said.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                self.fail("the client did not say " + start)
            if line is None:
                self.fail("the client ended before it said " + start)
            if line.startswith(start):
                return

    def log_to(self, count):
        self.order("to %d" % count)
        self.expect("at %d" % count)

    def end(self):
        self.order("end")
        try:
            self.proc.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.fail("the client did not end")
        if self.proc.returncode != 0:
            self.fail("the client ended with %d" % self.proc.returncode)

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self.proc.stdin.close()
        self.errors.close()


SYSLOG_CONFIG = r"""@version: 3.38
options { stats-freq(0); time-reopen(1); };
source s {
%(files)s};
template quoted { template("$(substr $(format-json --scope none m=$MESSAGE) 5 -1)"); };
destination d {
  http(
    url("%(url)s/loki/api/v1/push") method("POST") headers("Content-Type: application/json")
    body-prefix("{\"streams\":[") delimiter(",") body-suffix("]}")
    body("{\"stream\":{\"job\":\"syslog-ng\",\"file\":\"$(basename $FILE_NAME)\"},\"values\":[[\"${R_UNIXTIME}${R_USEC}000\",$(template quoted),{\"user\":\"root\"}]]}")
    batch-lines(50) batch-timeout(200) workers(1) retries(100) timeout(10)
  );
};
log { source(s); destination(d); flags(flow-control); };
"""


class SyslogNg:
    """syslog-ng that reads a file for each stream."""

    def __init__(self, server):
        self.folder = os.path.join(server.folder, "syslog-ng")
        os.makedirs(self.folder)
        self.files = [os.path.join(self.folder, "%s.log" % name) for name in ("web", "db", "cron")]
        for path in self.files:
            open(path, "w").close()
        config = os.path.join(self.folder, "config")
        with open(config, "w") as f:
            f.write(SYSLOG_CONFIG % {
                "url": "http://127.0.0.1:%d" % server.port,
                "files": "".join('  file("%s" follow-freq(0.1) flags(no-parse));\n' % path for path in self.files)})
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.proc = subprocess.Popen(["syslog-ng", "--foreground", "--no-caps", "-f", config, "-R", self.folder + "/persist", "-p",
                                      self.folder + "/pid", "-c", self.folder + "/ctl"], stdout=self.log, stderr=self.log)

    def write(self, lines):
        for i, line in lines:
            with open(self.files[i % len(self.files)], "a", newline="") as f:
                f.write(line + "\n")

    def close(self):
        self.proc.terminate()
        self.proc.wait(WAIT_S)
        self.log.seek(0)
        sys.stderr.write(self.log.read()[-2000:])
        self.log.close()


# ---- reading back ----

def found(server):
    """Labels, metadata and line of every entry, as sorted JSON."""
    now = time.time_ns()
    hour = 3_600_000_000_000
    rows = []
    for labels, values in server.query('{service_name=~".+"}', now - hour, now + hour, categorize=True):
        rows += [[labels, v[2].get("structuredMetadata", {}), v[1]] for v in values]
    return rows


def difference(want, have):
    """Each entry exactly once; "" when it is so."""
    a = collections.Counter(json.dumps(r, sort_keys=True) for r in want)
    b = collections.Counter(json.dumps(r, sort_keys=True) for r in have)
    missing, surplus = list((a - b).elements()), list((b - a).elements())
    if not missing and not surplus:
        return ""
    return "%d entries, wanted %d; %d missing, as %.300s; %d too many, as %.300s" % (
        len(have), len(want), len(missing), missing[:1], len(surplus), surplus[:1])


def settle(server, want, normal):
    """Waits until as many entries are there as are wanted, then compares; and once more when they are on disk."""
    end = time.monotonic() + WAIT_S
    while True:
        have = [normal(*row) for row in found(server)]
        if len(have) >= len(want) or time.monotonic() > end:
            break
        time.sleep(0.1)
    time.sleep(0.3)  # would more come?
    for when in ("", "after a flush and a restart: "):
        fault = difference(want, [normal(*row) for row in found(server)])
        if fault:
            raise AssertionError(when + fault)
        if not when:
            server.flush()
            server.stop()
            server.start()


def as_it_is(labels, metadata, line):
    return [labels, metadata, line]


# ---- clients ----

def killed_amid(server, push_to, failed):
    """The first third is pushed, the server is killed with the second on its way, and is there again for the last."""
    push_to(COUNT // 3)
    end = time.monotonic() + WAIT_S
    while not found(server):
        if time.monotonic() > end:
            raise AssertionError("nothing arrived")
        time.sleep(0.05)
    push_to(COUNT // 2)
    server.stop(signal.SIGKILL)
    push_to(COUNT * 2 // 3)
    failed()
    server.start()
    push_to(COUNT)


def node_round(modules, script, options, want, normal=as_it_is, failed=None):
    """failed: waits until the client has seen a push fail; None: the client does not send again what failed."""
    with Server() as s:
        client = Node(s, modules, script, *options)
        try:
            if failed is None:
                client.log_to(COUNT)
            else:
                killed_amid(s, client.log_to, lambda: failed(client))
            client.end()
            settle(s, want, normal)
        finally:
            client.close()


def pino(cache):
    levels = {"error": "error", "warn": "warning", "info": "info", "debug": "debug"}

    def normal(labels, metadata, line):
        said = json.loads(line)
        return [labels, metadata, {k: said[k] for k in ("msg", "stream", "meta")}]

    want = [[{"job": "pino", "service_name": "pino", "hostname": "box", "level": levels[r["level"]], "stream": r["stream"]},
             dict(r["meta"], detected_level=r["level"]), {"msg": r["text"], "stream": r["stream"], "meta": r["meta"]}]
            for r in records()]
    node_round(installed(cache, node_min=20), "pino.js", [], want, normal)


def winston(cache, form):
    def metadata(r):
        sent = {"level_extracted": r["level"], "seq": r["meta"]["seq"], "user": r["meta"]["user"]} if form == "json" else {}
        return dict(sent, detected_level=r["level"])

    want = [[{"job": "winston", "service_name": "winston", "level": r["level"], "stream": r["stream"]}, metadata(r), r["text"]]
            for r in records()]
    node_round(installed(cache), "winston.js", [form], want, failed=lambda client: client.expect("failed "))


def otel(cache, form, compression, kill=False):
    numbers = {"error": 17, "warn": 13, "info": 9, "debug": 5}

    def normal(labels, metadata, line):
        if not metadata.pop("observed_timestamp", "").isdigit():
            raise AssertionError("no observed_timestamp with %.200s" % line)
        return [labels, metadata, line]

    want = [[{"service_name": r["stream"], "k8s_namespace_name": "test"},
             dict(r["meta"], detected_level=r["level"], severity_text=r["level"].upper(), severity_number=str(numbers[r["level"]]),
                  a_list='["x",1,true]', an_object_k="v", an_object_deep_er_f="1.5", host_name="box", process_pid="7",
                  scope_name="my.scope", scope_version="1.2.3"), r["text"]] for r in records()]
    node_round(installed(cache), "otel.js", [form, compression], want, normal, (lambda client: time.sleep(0.5)) if kill else None)


def syslog_ng(cache):
    if shutil.which("syslog-ng") is None:
        raise Unavailable("no syslog-ng here (Debian: syslog-ng-core, syslog-ng-mod-http)")
    # what can be a line of a file; longer ones than 8 KiB are cut there
    texts = [t for t in ODD if not set(t) & set("\n\r\0") and len(t.encode()) < 8000]
    lines = [(i, "%04d %s" % (i, texts[i % len(texts)])) for i in range(COUNT)]
    want = [[{"job": "syslog-ng", "service_name": "syslog-ng", "file": ("web.log", "db.log", "cron.log")[i % 3]},
             {"user": "root"}, line] for i, line in lines]

    def normal(labels, metadata, line):
        metadata.pop("detected_level")  # what the line says of it is not the matter here
        return [labels, metadata, line]

    with Server() as s:
        client = SyslogNg(s)
        try:
            written = 0

            def write_to(count):
                nonlocal written
                client.write(lines[written:count])
                written = count

            killed_amid(s, write_to, lambda: time.sleep(0.5))
            settle(s, want, normal)
        finally:
            client.close()


CLIENTS = {
    "pino": pino,
    "winston-json": lambda cache: winston(cache, "json"),
    "winston-proto": lambda cache: winston(cache, "proto"),
    "otel-json": lambda cache: otel(cache, "json", "none"),
    "otel-json-gzip": lambda cache: otel(cache, "json", "gzip"),
    "otel-proto": lambda cache: otel(cache, "proto", "none", kill=True),
    "otel-proto-gzip": lambda cache: otel(cache, "proto", "gzip"),
    "syslog-ng": syslog_ng,
}


def main():
    cache, names = os.path.abspath(sys.argv[1]), sys.argv[2:] or list(CLIENTS)
    status = 0
    for name in names:
        begin = time.monotonic()
        try:
            CLIENTS[name](cache)
            print("ok       %s: %d lines, %.1f s" % (name, COUNT, time.monotonic() - begin), flush=True)
        except Unavailable as e:
            print("SKIPPED  %s: NOT TESTED, the client cannot be had here: %s" % (name, e), flush=True)
            status = status or SKIPPED
        except Exception as e:  # a test that breaks is a test that failed
            print("FAILED   %s: %s: %s" % (name, type(e).__name__, e), flush=True)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
