#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A start that cannot succeed says why, names the place and changes nothing; a start over damage serves the rest."""
import glob
import http.client
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time

from skaldtest import Server

T0 = 1_768_467_600_000_000_000
HOUR = 3_600_000_000_000
DAY = 24 * HOUR


def refused(name, server, *words, wrap=()):
    """The start ends with status 1 within seconds, and the log holds every word."""
    server.start(ready=False, wrap=wrap)
    server.proc.wait(30)
    code, text = server.proc.returncode, server.log()
    server.close()
    if code != 1 or any(w not in text for w in words):
        raise AssertionError("%s: ended with %s, wanted 1 and %s in:\n%s" % (name, code, words, text[-1500:]))


def edited(old, new):
    """A server whose configuration has `new` for every `old`, or at its end."""
    s = Server()
    with open(s.config) as f:
        text = f.read()
    with open(s.config, "w") as f:
        f.write(text.replace(old, new) if old else text + new)
    return s


def bad_starts():
    refused("unknown key", edited("", "querier: {no_such_key: 1}\n"), "line 13: field no_such_key not found in type querier.Config")
    refused("not YAML", edited("", "querier: {\n"), "config.yaml")
    s = Server()
    with open(os.path.join(s.folder, "wal"), "w") as f:
        f.write("a file")
    refused("a file where a folder belongs", s, os.path.join(s.folder, "wal"))
    refused("chunks cannot be made", edited("chunks_directory: ", "chunks_directory: /proc/none"), "/proc/none")
    with Server() as first:
        refused("port in use", same_port(first), "port %d" % first.port, "address already in use")
        refused("second on one folder", same_folder(first), "another skald uses the data directory " + first.folder)
        if first.push([({"app": "a"}, [(T0, "still here")])])[0] != 204:
            raise AssertionError("the first instance was disturbed")


def same_port(first):
    s = Server()
    with open(s.config) as f:
        text = f.read()
    with open(s.config, "w") as f:
        f.write(text.replace("http_listen_port: %d" % s.port, "http_listen_port: %d" % first.port))
    return s


def same_folder(first):
    s = Server()
    with open(first.config) as f:
        text = f.read()
    with open(s.config, "w") as f:
        f.write(text.replace("http_listen_port: %d" % first.port, "http_listen_port: %d" % s.port))
    return s


def lines_of(app):
    return ["%s line %04d" % (app, i) for i in range(500)]


def damage(path, at):
    with open(path, "r+b") as f:
        f.seek(at if at >= 0 else os.path.getsize(path) + at)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 0x5A]))


def chunk_files(folder):
    """A tenant's chunks: <chunks>/<tenant>/<fingerprint>/<chunk>."""
    top = os.path.join(folder, "chunks", "fake")
    return sorted(os.path.join(d, f) for d, _, fs in os.walk(top) for f in fs)


def flip(path):
    damage(path, os.path.getsize(path) // 2)


def cut(path):
    os.truncate(path, os.path.getsize(path) // 2)


def empty(path):
    os.truncate(path, 0)


def garbage(path):
    with open(path, "wb") as f:
        f.write(b"not an index at all\n" * 40)


def two_days(folder):
    """A data folder with 500 lines of each of two apps on two days, all in chunks and index files."""
    os.makedirs(folder, exist_ok=True)
    with Server(folder=folder) as s:
        for day in (0, 1):
            for app in ("one", "two"):
                entries = [(T0 + day * DAY + i * 1_000_000, line) for i, line in enumerate(lines_of(app))]
                if s.push([({"app": app, "day": str(day)}, entries)])[0] != 204:
                    raise AssertionError("push refused")
        s.flush()
        if s.stop() != 0:
            raise AssertionError("the stop was not clean")
    for name in ("wal", "skald.log"):  # so that nothing comes from the log
        path = os.path.join(folder, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def index_files(folder):
    """The index files of both days, the older day first."""
    files = sorted(glob.glob(os.path.join(folder, "chunks/index/*/*.tsdb.gz")))
    if len(files) != 2:
        raise AssertionError("wanted an index file for each day, found %s" % files)
    return files


def asked(server, day, app):
    """(lines, warnings) of one app on one day."""
    status, body = server.get("/loki/api/v1/query_range", {"query": '{app="%s"}' % app, "start": T0 + day * DAY,
                                                           "end": T0 + day * DAY + HOUR, "limit": 5000, "direction": "forward"})
    if status != 200:
        raise AssertionError("day %d, %s: %d %s" % (day, app, status, body[:300]))
    answer = json.loads(body)
    return [v[1] for s in answer["data"]["result"] for v in s["values"]], answer.get("warnings", [])


def all_there(server, name, more=()):
    for day in (0, 1):
        for app in ("one", "two"):
            got = asked(server, day, app)[0]
            want = lines_of(app) + (list(more) if (day, app) == (0, "one") else [])
            if got != want:
                raise AssertionError("%s: day %d, %s: %d lines of %d" % (name, day, app, len(got), len(want)))


def damaged_index(name, hurt, folder):
    """The start goes on, the answer says that a file is damaged and the log which, all lines are there: the index is made again
    from the chunks. The file is left as it is. What comes later is kept too."""
    bad, good = index_files(folder)
    hurt(bad)
    with open(bad, "rb") as f:
        before = f.read()
    with Server(folder=folder) as s:
        if asked(s, 1, "one")[1]:
            raise AssertionError(name + ": a warning about the day whose index is sound")
        lines, warnings = asked(s, 0, "one")
        if lines != lines_of("one") or len(warnings) != 1 or "damaged" not in warnings[0]:
            raise AssertionError("%s: %d lines, warnings %s" % (name, len(lines), warnings))
        all_there(s, name)
        if os.path.basename(bad) not in s.log() or os.path.basename(good) in s.log().split("skald is ready")[-1]:
            raise AssertionError("%s: the log must name %s, and that alone:\n%s" % (name, bad, s.log()[-1500:]))
        if 'skald_corruptions_total{file="index"} 1\n' not in s.get("/metrics")[1].decode():
            raise AssertionError(name + ": not counted once")
        late = "one line 0500, after the damage"
        if s.push([({"app": "one", "day": "0"}, [(T0 + 500_000_000, late)])])[0] != 204:
            raise AssertionError(name + ": a push was refused")
        all_there(s, name + ", with a new line", [late])
        s.flush()
        all_there(s, name + ", after a flush", [late])
        if s.stop(signal.SIGTERM) != 0:
            raise AssertionError(name + ": the stop after damage was not clean")
        with open(bad, "rb") as f:
            if f.read() != before:
                raise AssertionError(name + ": the damaged file was changed")
        s.start()
        all_there(s, name + ", after a restart", [late])


def each_damage(kind, check, hurts):
    """The same two days, hurt in each way."""
    with tempfile.TemporaryDirectory(prefix="skald-it-") as top:
        two_days(os.path.join(top, "whole"))
        for hurt in hurts:
            folder = os.path.join(top, hurt.__name__)
            shutil.copytree(os.path.join(top, "whole"), folder)
            check("%s, %s" % (kind, hurt.__name__), hurt, folder)


def index_damaged_while_running():
    """A server that has an index open is not disturbed by damage to its file; nor is the next one."""
    top = tempfile.mkdtemp(prefix="skald-it-")
    try:
        two_days(top)
        with Server(folder=top) as s:
            all_there(s, "before")
            for path in index_files(top):
                flip(path)
            all_there(s, "damaged while it runs")
            s.stop()
            s.start()
            all_there(s, "after a restart")
    finally:
        shutil.rmtree(top, ignore_errors=True)


def damaged_chunk(name, hurt, folder):
    """The answer holds what is readable and says that something is not; the log names the file, which stays as it is."""
    files = chunk_files(folder)
    bad = files[0]
    hurt(bad)
    strays = [os.path.join(folder, p) for p in ("chunks/index/index_20468/README", "chunks/fake/not-a-chunk", "wal/notes.txt")]
    for path in strays:  # files that are not ours lie about, as an editor or a copy that was cut off leaves them
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write("stray")
    with Server(folder=folder) as s:
        found = {(day, app): asked(s, day, app) for day in (0, 1) for app in ("one", "two")}
        hit = [k for k, (lines, _) in found.items() if lines != lines_of(k[1])]
        if len(hit) != 1 or not set(found[hit[0]][0]) < set(lines_of(hit[0][1])):
            raise AssertionError("%s: wanted one of four streams with a part of its lines, got %s"
                                 % (name, {k: len(v[0]) for k, v in found.items()}))
        warned = [k for k, (_, warnings) in found.items() if warnings]
        if warned != hit or os.path.basename(bad) not in s.log():
            raise AssertionError("%s: warnings about %s, wanted %s; the log must name %s" % (name, warned, hit, bad))
        if s.stop(signal.SIGTERM) != 0:
            raise AssertionError(name + ": the stop after damage was not clean")
    if not all(os.path.exists(path) for path in strays):
        raise AssertionError(name + ": a stray file was removed")


def index_names_are_new():
    """An index file never takes the name of one that is there: names hold seconds, and a clock can be set back."""
    top = tempfile.mkdtemp(prefix="skald-it-")
    try:
        two_days(top)
        first = index_files(top)[0]
        with open(first, "rb") as f:
            before = f.read()
        seconds, node = os.path.basename(first).split("-", 1)
        taken = [os.path.join(os.path.dirname(first), "%d-%s" % (int(seconds) + i, node)) for i in range(60)]
        for path in taken[1:]:
            shutil.copy(first, path)
        with Server(folder=top) as s:
            late = "one line 0500, in an index of its own"
            if s.push([({"app": "one", "day": "0"}, [(T0 + 500_000_000, late)])])[0] != 204:
                raise AssertionError("a push was refused")
            s.flush()
            s.stop()
            for path in taken:
                with open(path, "rb") as f:
                    if f.read() != before:
                        raise AssertionError("%s was written over" % path)
            shutil.rmtree(os.path.join(top, "wal"))
            s.start()
            all_there(s, "names", [late])
    finally:
        shutil.rmtree(top, ignore_errors=True)


def retention_is_not_silent():
    """Who asks for retention must be told that nothing is deleted yet."""
    with Server(extra="compactor: {retention_enabled: true, delete_request_store: filesystem}\n") as s:
        if "retention_enabled: this version deletes nothing" not in s.log():
            raise AssertionError("no word about retention in %s" % s.log())


def unwritable(path_of, *words):
    """A folder that may only be read ends the start. Permissions bind root only without its capability to pass over them."""
    s = Server()
    path = path_of(s)
    os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o555)
    wrap = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    refused("unwritable " + path, s, path, *words, wrap=wrap)


def unwritable_folders():
    unwritable(lambda s: os.path.join(s.folder, "wal"), "permission denied")
    unwritable(lambda s: os.path.join(s.folder, "chunks"), "permission denied")


def pusher(server, app, sent, maybe):
    """Pushes until the server goes away. sent: answered with 204; maybe: on its way when the server was killed."""
    while True:
        n = len(sent) + len(maybe)
        try:
            status = server.push([({"app": app}, [(T0 + n * 1000, "%s %06d" % (app, n))])])[0]
        except (OSError, http.client.HTTPException):
            maybe.append("%s %06d" % (app, n))
            return
        if status != 204:
            raise AssertionError("push refused: %d" % status)
        sent.append("%s %06d" % (app, n))


def kill_rounds():
    """What was answered with 204 is there exactly once, however often the process is killed in the midst of pushes."""
    apps = {"k%d" % i: ([], []) for i in range(8)}
    with Server() as s:
        for round_ in range(5):
            threads = [threading.Thread(target=pusher, args=(s, app, *state)) for app, state in apps.items()]
            for t in threads:
                t.start()
            time.sleep(0.5)
            if round_ % 2:
                s.request("POST", "/flush")
            s.stop(signal.SIGKILL)
            for t in threads:
                t.join()
            s.start()
            for app, (sent, maybe) in apps.items():
                got = s.lines('{app="%s"}' % app, T0, T0 + HOUR)
                known = [line for line in sorted(sent + maybe) if line in set(sent) or line in set(got)]
                if got != known:
                    raise AssertionError("round %d, %s: %d answered, %d found, first difference %s"
                                         % (round_, app, len(sent), len(got), [(a, b) for a, b in zip(known, got) if a != b][:1]))
            folder = os.path.join(s.folder, "wal")
            sizes = [os.path.getsize(os.path.join(folder, name)) for name in sorted(n for n in os.listdir(folder) if n.isdigit())]
            if sum(sizes[:-1]) > 4 << 20:
                raise AssertionError("room written ahead is kept after a kill: %s" % sizes)
        total = sum(len(sent) for sent, _ in apps.values())
        if total < 40:
            raise AssertionError("only %d pushes were answered: the test said nothing" % total)
        print("5 kills, %d entries answered for, none lost, none twice" % total)


def first_push(server, tenant, i, barrier, answers):
    """The first push of a tenant, at the same time as others of it."""
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    c.connect()
    barrier.wait()
    c.request("POST", "/loki/api/v1/push", json.dumps({"streams": [{"stream": {"i": str(i)}, "values": [[str(T0 + i), "x"]]}]}),
              {"X-Scope-OrgID": tenant, "Content-Type": "application/json"})
    answers.append(c.getresponse().status)
    c.close()


def new_tenants():
    """What the first pushes of a tenant bring is found, however many come at once: there was a time when each made a tenant."""
    at_once = 6
    with Server(auth=True) as s:
        for n in range(60):
            tenant, barrier, answers = "tenant-%d" % n, threading.Barrier(at_once), []
            threads = [threading.Thread(target=first_push, args=(s, tenant, i, barrier, answers)) for i in range(at_once)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            found = s.query('{i=~".+"}', T0, T0 + HOUR, tenant=tenant)
            if answers != [204] * at_once or len(found) != at_once:
                raise AssertionError("%s: answers %s, streams found %d" % (tenant, answers, len(found)))


def main():
    bad_starts()
    new_tenants()
    unwritable_folders()
    retention_is_not_silent()
    each_damage("chunk", damaged_chunk, (flip, cut, empty, garbage, os.remove))
    each_damage("index", damaged_index, (flip, cut, empty, garbage))
    index_damaged_while_running()
    index_names_are_new()
    kill_rounds()


sys.exit(main())
