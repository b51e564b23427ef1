#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""skaldctl's parallel download and its progress lines, against a server that makes up entries.

Usage: test_skaldctl_parallel.py PATH_OF_SKALDCTL
"""
import json
import os
import pty
import subprocess
import tempfile
import threading
import time
import urllib.parse

import ctltest
from ctltest import RANGE, Case, answer, environment, golden

T0 = 1795356000  # 2026-11-22T14:00:00Z
EVERY = 30  # seconds between entries
PARTS = ["p_20261122T140000_20261122T141000.part", "p_20261122T141000_20261122T142000.part",
         "p_20261122T142000_20261122T143000.part", "p_20261122T143000_20261122T144000.part"]


def params(request):
    return urllib.parse.parse_qs(request.line.split()[1].split("?")[1])


def line(t):
    return "line %d" % (t - T0)


class Entries:
    """Answers range queries with an entry every 30 s; nothing in the third ten minutes."""

    def __init__(self):
        self.running = self.most = 0
        self.lock = threading.Lock()
        self.fail = None  # start of the piece that is refused
        self.pause = 0.0

    def times(self, start, end):
        return [t for t in range(T0, T0 + 2400, EVERY)
                if start <= t * 10**9 < end and not 1200 <= t - T0 < 1800]

    def __call__(self, request):
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(self.pause)
        with self.lock:
            self.running -= 1
        q = params(request)
        start, end = int(q["start"][0]), int(q["end"][0])
        if self.fail == start // 10**9 - T0:
            return answer(500, b"broken")
        times = self.times(start, end)
        if q["direction"] == ["BACKWARD"]:
            times.reverse()
        values = [["%d000000000" % t, line(t)] for t in times[:int(q["limit"][0])]]
        result = [{"stream": {"a": "b"}, "values": values}] if values else []
        return answer(200, json.dumps(
            {"status": "success", "data": {"resultType": "streams", "result": result}}).encode())


class Parallel(Case):
    def setUp(self):
        super().setUp()
        self.server.respond = self.entries = Entries()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.all = [line(t) for t in self.entries.times(0, 1 << 62)]

    def download(self, *args, parts=True, flags=("--parallel-max-workers=4",)):
        prefix = ["--part-path-prefix=" + os.path.join(self.folder, "p")] if parts else []
        return self.run_ctl("query", "-z", "UTC", *RANGE, "--parallel-duration=10m", *flags,
                            "-o", "raw", *prefix, *args, "{}")

    def files(self):
        return sorted(os.listdir(self.folder))

    def part(self, idx):
        with open(os.path.join(self.folder, PARTS[idx])) as f:
            return f.read().splitlines()

    def ranges(self):
        return sorted((int(q["start"][0]) // 10**9 - T0, int(q["end"][0]) // 10**9 - T0)
                      for q in map(params, self.server.requests))

    def test_the_recorded_request(self):
        self.run_ctl("query", *RANGE, "--parallel-duration=10m", "--parallel-max-workers=2",
                     '{app="cli"}')
        line = ctltest.Request(golden("parallel.req").rstrip(b"\r\n"), b"").line
        self.assertIn(line, [r.line for r in self.server.requests])

    def test_without_files_all_lines_come(self):
        r = self.download("--limit=5", parts=False)
        self.assertEqual((r.code, sorted(r.out.splitlines())), (0, sorted(self.all)), r.err)
        self.assertEqual(self.ranges(), [(0, 600), (600, 1200), (1200, 1800), (1800, 2400)])
        self.assertEqual({tuple(params(q)["limit"]) for q in self.server.requests}, {("1000",)})

    def test_workers_work_at_once(self):
        self.entries.pause = 0.3
        self.download(parts=False, flags=("--parallel-max-workers=3",))
        self.assertEqual(self.entries.most, 3)

    def test_parts(self):
        r = self.download()
        self.assertEqual((r.code, r.out), (0, ""), r.err)
        self.assertEqual(self.files(), PARTS)
        self.assertEqual(self.part(0), [line(T0 + s) for s in range(570, -1, -EVERY)])
        self.assertEqual(self.part(2), [])

    def test_batches_within_parts(self):
        r = self.download("--batch=7", "--forward")
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(sum((self.part(i) for i in range(4)), []), self.all)

    def test_merging(self):
        r = self.download("--merge-parts")
        self.assertEqual((r.code, r.out.splitlines()), (0, self.all[::-1]), r.err)
        self.assertEqual(self.files(), [])
        r = self.download("--merge-parts", "--keep-parts", "--forward")
        self.assertEqual((r.code, r.out.splitlines()), (0, self.all), r.err)
        self.assertEqual(self.files(), PARTS)

    def test_complete_parts_are_not_downloaded_again(self):
        self.download()
        r = self.download("--merge-parts", "--keep-parts")
        self.assertEqual((r.code, self.server.requests), (0, []))
        self.assertEqual(r.out.splitlines(), self.all[::-1])
        with open(os.path.join(self.folder, PARTS[1]), "w") as f:
            f.write("old\n")
        self.download()
        self.assertEqual(self.part(1), ["old"])
        self.download("--overwrite-completed-parts")
        self.assertEqual(len(self.server.requests), 4)
        self.assertEqual(len(self.part(1)), 20)

    def test_an_interrupted_run_goes_on_where_it_was(self):
        self.entries.fail = 600
        r = self.download(flags=("--parallel-max-workers=2",))
        self.assertEqual(r.code, 1)
        self.assertIn("error response from server: broken", r.err)
        done = self.files()
        self.assertIn(PARTS[3], done)
        self.assertNotIn(PARTS[1], done)
        self.assertFalse([f for f in done if f.endswith(".tmp")])
        with open(os.path.join(self.folder, PARTS[1] + ".tmp"), "w") as f:
            f.write("half a li")
        self.entries.fail = None
        r = self.download()
        self.assertEqual((r.code, self.files()), (0, PARTS), r.err)
        self.assertEqual(len(self.server.requests), 4 - len(done))
        self.assertEqual(len(self.part(1)), 20)

    def test_a_failure_ends_the_merge_before_it(self):
        self.entries.fail = 600
        r = self.download("--merge-parts", flags=("--parallel-max-workers=2",))
        self.assertEqual(r.code, 1)
        self.assertEqual(self.all[::-1][:len(r.out.splitlines())], r.out.splitlines())
        self.assertNotIn(line(T0 + 900), r.out)

    def test_one_worker_writes_one_part(self):
        r = self.download("--limit=3", flags=())
        self.assertEqual((r.code, self.files()),
                         (0, ["p_20261122T140000_20261122T144000.part"]), r.err)
        self.assertEqual(len(self.server.requests), 1)
        self.assertEqual(params(self.server.requests[0])["limit"], ["3"])

    def test_a_folder_that_is_not_there(self):
        r = self.run_ctl("query", *RANGE, "--parallel-max-workers=2",
                         "--part-path-prefix=%s/no/p" % self.folder, "{}")
        self.assertEqual(r.code, 1)
        self.assertIn("Query failed: cannot create %s/no/p_" % self.folder, r.err)

    def test_mistakes(self):
        for flag in ("--parallel-max-workers=0", "--parallel-max-workers=257",
                     "--parallel-duration=1ms", "--merge-parts"):
            r = self.run_ctl("query", flag, "{}")
            self.assertEqual((r.code, self.server.requests), (1, []))
            self.assertIn("skaldctl: error: flag '--", r.err)
        r = self.run_ctl("query", "--from=1900-01-01T00:00:00Z", "--parallel-duration=1s",
                         "--parallel-max-workers=2", "{}")
        self.assertEqual((r.code, self.server.requests), (1, []))
        self.assertIn("--parallel-duration makes too many parts", r.err)


class Progress(Case):
    """Lines of progress stand on terminals only, and leave nothing behind."""

    def on_terminal(self, *args, stdin=b""):
        ours, theirs = pty.openpty()
        seen = bytearray()

        def read():
            try:
                while True:
                    data = os.read(ours, 65536)
                    if not data:
                        return
                    seen.extend(data)
            except OSError:  # the other end is closed
                return

        reader = threading.Thread(target=read)
        reader.start()
        p = subprocess.run([ctltest.PROGRAM, "--addr=" + self.server.addr, *args], input=stdin,
                           stdout=subprocess.PIPE, stderr=theirs, env=environment(), timeout=60)
        os.close(theirs)
        reader.join(10)
        os.close(ours)
        return p, seen.decode()

    def test_download(self):
        self.server.respond = Entries()
        self.server.respond.pause = 0.25
        args = ["query", *RANGE, "--parallel-duration=10m", "--parallel-max-workers=2", "-oraw",
                "{}"]
        p, err = self.on_terminal(*args)
        self.assertEqual(p.returncode, 0)
        self.assertRegex(err, r"\[=+>? *\] +\d+% \d of 4 parts")
        self.assertIn("\r\033[K", err)
        self.assertNotIn(b"\033", p.stdout)
        p, err = self.on_terminal("-q", *args)
        self.assertEqual(err, "")
        r = self.run_ctl(*args)
        self.assertNotIn("parts", r.err)

    def test_paging(self):
        self.server.respond = Entries()
        p, err = self.on_terminal("query", *RANGE, "--limit=40", "--batch=10", "-oraw", "{}")
        self.assertEqual((p.returncode, len(p.stdout.splitlines())), (0, 40))
        self.assertRegex(err, r"\[=+>? *\]  25% 10 entries")

    def test_push(self):
        self.server.respond = lambda request: answer(204)
        p, err = self.on_terminal("push", "--label=a=b", stdin=b"x\ny\n")
        self.assertEqual(p.returncode, 0)
        self.assertIn("2 lines, 2B, ", err)
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"0123456\n" * 300000)
            f.flush()
            p, err = self.on_terminal("push", "--label=a=b", f.name)
        self.assertEqual(p.returncode, 0)
        self.assertRegex(err, r"\[=+>? *\] +\d+% \d+ lines, ")
        self.assertIn("Pushed 300000 lines", err.split("\r\033[K")[-1])
        r = self.run_ctl("push", "--label=a=b", stdin=b"x\n")
        self.assertNotIn("\033", r.err)


if __name__ == "__main__":
    ctltest.main()
