# SPDX-License-Identifier: Apache-2.0
"""Pushes, queries of all kinds and flushes at the same time, for the thread sanitizer: its reports end up in the
server's log, which must have none. With other builds it still protects that nothing is lost or refused meanwhile."""
import json
import threading
import time

from skaldtest import Server, run

START = 1_750_000_000_000_000_000
WRITERS, PUSHES, LINES = 4, 40, 50

QUERIES = [
    '{app=~".+"} |= "line"',
    '{app=~".+"} |= "absent"',
    '{app="a1"} | logfmt | v > 3 | line_format "{{.v}}"',
    'sum by (app) (count_over_time({app=~".+"}[10s]))',
    'quantile_over_time(0.9, {app=~".+"} | logfmt | unwrap v [10s]) by (app)',
    'topk(2, sum by (k) (rate({app=~".+"} | logfmt [30s]))) / 2',
]


class Driver:
    def __init__(self, server):
        self.server, self.bad, self.writing = server, [], True

    def guard(self, fn, *args):
        try:
            fn(*args)
        except Exception as e:  # of a thread: it would be lost
            self.bad.append("%s: %s" % (type(e).__name__, e))

    def write(self, n):
        for i in range(PUSHES):
            at = START + i * 1_000_000_000
            values = [(at + k * 1000 + n, "line k=%d v=%d.%d %s" % (k % 7, k, n, "x" * 200)) for k in range(LINES)]
            status, data = self.server.push([({"app": "a%d" % n}, values)])
            assert status == 204, (status, data)

    def read(self, n):
        i = n
        while self.writing:
            q = QUERIES[i % len(QUERIES)]
            status, data = self.server.get("/loki/api/v1/query_range", {
                "query": q, "start": START, "end": START + 60_000_000_000, "limit": 100, "step": "5s",
                "direction": ("forward", "backward")[i % 2]})
            assert status == 200, (q, status, data[:300])
            i += 1
            if i % 9 == 0:
                assert self.server.get("/loki/api/v1/labels", {"start": START, "end": START + 60_000_000_000})[0] == 200

    def flush(self):
        while self.writing:
            assert self.server.request("POST", "/flush")[0] == 204
            time.sleep(0.3)


def at_once():
    with Server(args=["-skald.workers=4"], limits="reject_old_samples: false, unordered_writes: true") as s:
        d = Driver(s)
        writers = [threading.Thread(target=d.guard, args=(d.write, n)) for n in range(WRITERS)]
        others = [threading.Thread(target=d.guard, args=(d.read, n)) for n in range(4)]
        others.append(threading.Thread(target=d.guard, args=(d.flush,)))
        for t in writers + others:
            t.start()
        for t in writers:
            t.join()
        d.writing = False
        for t in others:
            t.join()
        assert not d.bad, d.bad[:3]
        status, data = s.get("/loki/api/v1/query", {"query": 'sum(count_over_time({app=~".+"}[1h]))',
                                                    "time": START + 100_000_000_000})
        assert status == 200, data
        assert json.loads(data)["data"]["result"][0]["value"][1] == str(WRITERS * PUSHES * LINES), data
        assert s.stop() == 0, s.log()[-3000:]
        assert "ThreadSanitizer" not in s.log(), s.log()[-6000:]


if __name__ == "__main__":
    run([at_once])
