#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A start that cannot succeed says why, names the place and changes nothing; a start over damage serves the rest."""
import http.client
import os
import signal
import sys
import threading
import time

from skaldtest import Server

T0 = 1_768_467_600_000_000_000
HOUR = 3_600_000_000_000


def refused(name, server, *words):
    """The start ends with status 1 within seconds, and the log holds every word."""
    server.start(ready=False)
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


def chunk_files(server):
    """Folder of a tenant's chunks: <chunks>/<tenant>/<fingerprint>/<chunk>."""
    top = os.path.join(server.folder, "chunks", "fake")
    return sorted(os.path.join(d, f) for d, _, fs in os.walk(top) for f in fs)


def damaged_data():
    with Server() as s:
        for app in ("one", "two"):
            entries = [(T0 + i * 1_000_000, line) for i, line in enumerate(lines_of(app))]
            if s.push([({"app": app}, entries)])[0] != 204:
                raise AssertionError("push refused")
        s.flush()
        s.stop()
        files = chunk_files(s)
        if len(files) != 2:
            raise AssertionError("wanted two chunk files, found %s" % files)
        with open(files[0], "rb") as f:
            hurt = "one" if b"one" in f.read(200) else "two"
        whole = "two" if hurt == "one" else "one"
        damage(files[0], os.path.getsize(files[0]) // 2)
        # files that are not ours lie about, as an editor or a copy that was cut off leaves them
        for stray in ("chunks/index/index_20468/README", "chunks/fake/not-a-chunk", "wal/notes.txt"):
            path = os.path.join(s.folder, stray)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write("stray")
        s.start()
        got = s.lines('{app="%s"}' % whole, T0, T0 + HOUR)
        if got != lines_of(whole):
            raise AssertionError("the undamaged stream: %d of 500 lines" % len(got))
        status, body = s.get("/loki/api/v1/query_range", {"query": '{app="%s"}' % hurt, "start": T0, "end": T0 + HOUR})
        if status not in (200, 500) or s.proc.poll() is not None:
            raise AssertionError("the damaged stream: %d %s" % (status, body[:300]))
        if not all(os.path.exists(os.path.join(s.folder, p)) for p in ("chunks/fake/not-a-chunk", "wal/notes.txt")):
            raise AssertionError("a stray file was removed")
        if s.stop(signal.SIGTERM) != 0:
            raise AssertionError("the stop after damage was not clean")


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
        total = sum(len(sent) for sent, _ in apps.values())
        if total < 40:
            raise AssertionError("only %d pushes were answered: the test said nothing" % total)
        print("5 kills, %d entries answered for, none lost, none twice" % total)


def main():
    bad_starts()
    damaged_data()
    kill_rounds()


sys.exit(main())
