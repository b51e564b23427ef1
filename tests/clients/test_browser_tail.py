#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A page in Chromium follows a tail: history first, then the lines pushed after it opened, in order and each once; and it is told
why the tail ends.

  test_browser_tail.py CACHE    CACHE: where npm puts playwright-core, shared with test_clients.py

Ends with 77, and says why, when browser or library cannot be had here.
"""
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time

from test_clients import HERE, SKIPPED, Unavailable, installed

from skaldtest import Server, run  # found through test_clients

WAIT_S = 60
ODD = ("plain", "quote \" and \\", "tab\there", "日本語 😀", "<b>&amp;</b>", "line\u2028separator", "x" * 20000)


class Page:
    def __init__(self, server, modules, chromium, query):
        url = "ws://127.0.0.1:%d/loki/api/v1/tail?query=%s" % (server.port, query)
        self.errors = open(os.path.join(server.folder, "browser.log"), "w+")
        self.proc = subprocess.Popen(["node", os.path.join(HERE, "browser_tail.js"), chromium, url], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=self.errors, text=True, env=dict(os.environ, NODE_PATH=modules))
        self.said = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.proc.stdout:
            self.said.put(line.strip())
        self.said.put(None)

    def answer(self, order=None):
        if order:
            self.proc.stdin.write(order + "\n")
            self.proc.stdin.flush()
        try:
            line = self.said.get(timeout=WAIT_S)
        except queue.Empty:
            line = None
        if line is None:
            self.errors.seek(0)
            raise AssertionError("the browser did not answer to %s: %s" % (order, self.errors.read()[-2000:]))
        return line

    def close(self):
        if self.proc.poll() is None:
            try:
                self.proc.communicate("end\n", timeout=20)
            except (subprocess.TimeoutExpired, BrokenPipeError):
                self.proc.kill()
                self.proc.wait()
        self.errors.close()


def check(when, page, want):
    got = json.loads(page.answer("lines %d" % len(want)))
    differ = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    assert got == want, "%s: %d lines, wanted %d, from %d on: %.200s, wanted %.200s" % (when, len(got), len(want), differ, got[differ:], want[differ:])


def page_follows_a_tail(modules, chromium):
    with Server() as s:
        begin, want = time.time_ns(), []

        def push(count):
            now = time.time_ns()
            rows = [(now + i, "%d %s" % (len(want) + i, ODD[i % len(ODD)])) for i in range(count)]
            assert s.push([({"app": "page"}, rows)])[0] == 204
            want.extend([str(ts), line] for ts, line in rows)
        push(5)
        page = Page(s, modules, chromium, "%7Bapp%3D%22page%22%7D")
        try:
            assert page.answer() == "open"
            check("lines 5", page, want)
            for count in (1, 150, 7, 30):
                push(count)
                check("after %d more" % count, page, want)
            time.sleep(3)  # pings; nothing comes twice
            check("later", page, want)
            code = s.stop()
            assert code == 0, code
            closed = json.loads(page.answer("closed"))
            assert closed == {"code": 1011, "reason": "all ingesters closed the connection"}, closed
        finally:
            page.close()
        print("%d lines, %.1f s" % (len(want), (time.time_ns() - begin) / 1e9))


def main():
    try:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if chromium is None:
            raise Unavailable("no chromium (Debian: chromium)")
        modules = installed(os.path.abspath(sys.argv[1]))
    except Unavailable as e:
        print("SKIPPED  browser-tail: NOT TESTED, it cannot be had here: %s" % e, flush=True)
        return SKIPPED
    sys.argv[1:] = []

    def browser_tail():
        page_follows_a_tail(modules, chromium)
    run([browser_tail])
    return 0


if __name__ == "__main__":
    sys.exit(main())
