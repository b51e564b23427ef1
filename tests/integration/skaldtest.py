# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: a server on a free port with a folder of its own, HTTP, pushes, results.

Standard library only. The binary is build/<preset>/skald, or what SKALD_BIN names.
"""
import gzip
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GOLDEN = os.path.join(TESTS, "golden")
BIN = os.environ.get("SKALD_BIN") or os.path.join(os.path.dirname(TESTS), "build", "release", "skald")

PERIOD = "    - {from: %s, store: tsdb, object_store: filesystem, schema: %s, index: {prefix: index_, period: 24h}}\n"
V13 = PERIOD % ("2024-01-01", "v13")


def config_text(folder, port, auth=False, periods=V13, limits="reject_old_samples: false", extra=""):
    return """auth_enabled: %s
server: {http_listen_address: 127.0.0.1, http_listen_port: %d, grpc_listen_port: 0, log_level: info}
common:
  path_prefix: %s
  storage: {filesystem: {chunks_directory: %s/chunks, rules_directory: %s/rules}}
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
schema_config:
  configs:
%slimits_config: {%s}
analytics: {reporting_enabled: false}
%s""" % ("true" if auth else "false", port, folder, folder, folder, periods, limits, extra)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One skald on a folder. Keyword arguments go to config_text()."""

    def __init__(self, folder=None, config=None, args=(), env=None, **kw):
        self.own = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="skald-it-")
        self.port = free_port()
        self.config = os.path.join(self.folder, "config.yaml")
        with open(self.config, "w") as f:
            f.write(config or config_text(self.folder, self.port, **kw))
        self.args, self.env = list(args), env
        self.log_path = os.path.join(self.folder, "skald.log")
        self.proc = None

    def start(self, ready=True, timeout=60, wrap=()):
        env = dict(os.environ, **(self.env or {}))
        with open(self.log_path, "a") as log:
            self.proc = subprocess.Popen([*wrap, BIN, "-config.file=" + self.config, "-config.expand-env=true"] + self.args,
                                         stdout=log, stderr=log, env=env)
        if ready:
            end = time.monotonic() + timeout
            while time.monotonic() < end:
                if self.proc.poll() is not None:
                    raise AssertionError("skald ended with %d:\n%s" % (self.proc.returncode, self.log()[-3000:]))
                try:
                    if self.get("/ready")[0] == 200:
                        return self
                except OSError:
                    pass
                time.sleep(0.02)
            raise AssertionError("skald did not become ready:\n" + self.log()[-3000:])
        return self

    def stop(self, sig=signal.SIGTERM, timeout=60):
        if self.proc is None:
            return None
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
            try:
                self.proc.wait(timeout)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
                raise AssertionError("skald did not end after signal %d" % sig)
        code = self.proc.returncode
        self.proc = None
        return code

    def close(self):
        try:
            self.stop(signal.SIGKILL)
        finally:
            if self.own:
                shutil.rmtree(self.folder, ignore_errors=True)

    __enter__ = start

    def __exit__(self, *exc):
        if exc[0] is not None:
            sys.stderr.write(self.log()[-3000:])
        self.close()

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def request(self, method, path, body=None, headers=None, timeout=60):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            data = r.read()
            if r.getheader("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            return r.status, dict(r.getheaders()), data
        finally:
            c.close()

    def get(self, path, params=None, tenant=None, headers=None):
        h = dict(headers or {})
        if tenant:
            h["X-Scope-OrgID"] = tenant
        status, _, data = self.request("GET", path + ("?" + urllib.parse.urlencode(params, doseq=True) if params else ""), headers=h)
        return status, data

    def push(self, streams, tenant=None):
        """streams: [(labels, [(ts_ns, line[, metadata])])]"""
        h = {"Content-Type": "application/json"}
        if tenant:
            h["X-Scope-OrgID"] = tenant
        body = {"streams": [{"stream": lb, "values": [[str(e[0])] + list(e[1:]) for e in es]} for lb, es in streams]}
        status, _, data = self.request("POST", "/loki/api/v1/push", json.dumps(body).encode(), h)
        return status, data

    def query(self, selector, start, end, limit=5000, direction="forward", tenant=None, categorize=False):
        """[(labels, [[ts, line, ...]])] of a log query; raises on anything but 200."""
        h = {"X-Loki-Response-Encoding-Flags": "categorize-labels"} if categorize else {}
        status, data = self.get("/loki/api/v1/query_range", {"query": selector, "start": start, "end": end, "limit": limit,
                                                             "direction": direction}, tenant, h)
        if status != 200:
            raise AssertionError("query %s: %d %s" % (selector, status, data[:500]))
        return [(s["stream"], s["values"]) for s in json.loads(data)["data"]["result"]]

    def lines(self, selector, start, end, **kw):
        return [v[1] for _, vs in self.query(selector, start, end, **kw) for v in vs]

    def flush(self, timeout=60):
        """POST /flush and wait until nothing is left in memory."""
        assert self.request("POST", "/flush")[0] == 204
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for line in self.get("/metrics")[1].decode().splitlines():
                if line.startswith("loki_ingester_memory_chunks ") and float(line.split()[1]) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("flush did not end")


def selector(labels):
    return "{" + ", ".join("%s=%s" % (k, json.dumps(v, ensure_ascii=False)) for k, v in sorted(labels.items())) + "}"


def read_jsonl(path):
    for p, op in ((path, open), (path + ".gz", gzip.open)):
        if os.path.exists(p):
            with op(p, "rt", encoding="utf-8", newline="\n") as f:
                return [json.loads(x) for x in f if x.strip()]
    raise FileNotFoundError(path)


def compare_entries(server, rows, tenants, show=3, ties_by_labels=False):
    """Every stream of `rows` is asked for by itself and must come back exactly. Returns the differences as text.
    ties_by_labels: entries of equal time are in the order of their labels in `rows`, so put both into it."""
    streams, bad = {}, []
    for r in rows:
        streams.setdefault((r["tenant"], json.dumps(r["labels"], sort_keys=True)), []).append([r["ts"], r["line"], r.get("sm") or {}])
    for (tenant, labels), want in streams.items():
        have = []
        for lb, values in server.query(selector(json.loads(labels)), min(w[0] for w in want), max(w[0] for w in want) + 1,
                                       tenant=tenant if tenants else None, categorize=True):
            if json.dumps(lb, sort_keys=True) == labels:
                have += [[int(v[0]), v[1], v[2].get("structuredMetadata", {})] for v in values]
        if ties_by_labels:
            for part in (want, have):
                part.sort(key=lambda e: (e[0], selector(dict(json.loads(labels), **e[2]))))
        if have != want:
            k = next((i for i, (a, b) in enumerate(zip(want, have)) if a != b), min(len(want), len(have)))
            bad.append("tenant %s %s: want %d entries, got %d, first difference at %d: want %.160s got %.160s"
                       % (tenant, labels, len(want), len(have), k, want[k:k + 1], have[k:k + 1]))
    return bad[:show] + (["... and %d more" % (len(bad) - show)] if len(bad) > show else [])


def run(tests):
    """Runs functions, prints one line each, exits 1 when one fails. Arguments choose by name."""
    wanted, failed = sys.argv[1:], 0
    for t in tests:
        if wanted and t.__name__ not in wanted:
            continue
        begin = time.monotonic()
        try:
            t()
            print("ok    %-50s %.1fs" % (t.__name__, time.monotonic() - begin), flush=True)
        except Exception as e:  # a test that breaks is a test that failed
            failed += 1
            print("FAIL  %s: %s: %s" % (t.__name__, type(e).__name__, e), flush=True)
    sys.exit(1 if failed else 0)
