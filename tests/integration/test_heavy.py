# SPDX-License-Identifier: Apache-2.0
"""Twenty heavy queries at once on a small memory budget, over flushed and live data: each ends well or with a limit's
text, memory stays bounded, a small query is answered meanwhile; cancelled and timed out queries end at once."""
import http.client
import json
import os
import random
import threading
import time
import urllib.parse

from skaldtest import Server, run

START = 1_750_000_000_000_000_000
SECOND = 1_000_000_000
MINUTES = 50
END = START + MINUTES * 60 * SECOND
LIMIT_MB = 128
# What the budget does not hold: code, stacks, the allocator's free lists, file caches mapped in. A
# budget is for data; the process may have this much more (measured: below 60 MB).
MARGIN_MB = 128
LINES = 60_000  # per half, of about 250 bytes

HEAVY = [
    'sum by (id) (count_over_time({app=~".+"} | json [5m]))',
    'quantile_over_time(0.99, {app=~".+"} | json | unwrap ms [10m]) by (path)',
    'topk(10, sum by (path, id) (rate({app=~".+"} | json [2m])))',
    'stddev_over_time({app=~".+"} | json | unwrap ms [10m]) by (id)',
    'count_over_time({app=~".+"} | json [1m])',
    'sum by (path) (sum_over_time({app=~".+"} | json | unwrap ms [5m])) / sum by (path) (count_over_time({app=~".+"} | json [5m]))',
    '{app=~".+"} | json | ms > 10',
    '{app=~".+"} | json | line_format "{{.path}} {{.id}} {{.ms}}" |= "absent"',
    'max by (id) (max_over_time({app=~".+"} | json | unwrap ms [30s]))',
    'first_over_time({app=~".+"} | json | unwrap ms [10m]) by (id, path)',
]
LIMITS = ("needs more memory than its share", "maximum number of series", "too many outstanding requests",
          "request timed out")


def fill(s, half):
    rnd = random.Random(half)
    step = MINUTES * 60 * SECOND // (2 * LINES)
    at = START + half * LINES * step
    for i in range(0, LINES, 2000):
        streams = {}
        for k in range(2000):
            line = json.dumps({"path": "/p/%d" % rnd.randrange(30), "id": "u%d" % rnd.randrange(3000), "ms": rnd.randrange(1000),
                               "text": "%0150x" % rnd.getrandbits(600)})
            streams.setdefault("a%d" % rnd.randrange(8), []).append((at + (i + k) * step, line))
        status, data = s.push([({"app": a}, v) for a, v in streams.items()])
        assert status == 204, (status, data)


def rss_mb(s):
    with open("/proc/%d/status" % s.proc.pid) as f:
        return next(int(x.split()[1]) for x in f if x.startswith("VmRSS")) / 1024


def slack(s):
    """Sanitizers are slower and keep memory of their own: their figures are printed, and judged loosely."""
    with open("/proc/%d/maps" % s.proc.pid) as f:
        text = f.read()
    return 10 if "libasan" in text or "libtsan" in text else 1


def params(query, **kw):
    return dict({"query": query, "start": START, "end": END, "step": "15s", "limit": 5000}, **kw)


def server(extra=(), limits=""):
    return Server(args=["-skald.memory-limit=%dMB" % LIMIT_MB, "-skald.workers=2", *extra],
                  limits="reject_old_samples: false, ingestion_rate_mb: 1000, ingestion_burst_size_mb: 1000, "
                         "per_stream_rate_limit: 1GB, per_stream_rate_limit_burst: 1GB" + limits)


def twenty_at_once():
    with server(limits=", max_query_series: 1000000") as s:
        fill(s, 0)
        s.flush()
        fill(s, 1)
        before, peak, answers, bad, small, done = rss_mb(s), [0], {}, [], [], threading.Event()

        def ask(q):
            try:
                status, data = s.get("/loki/api/v1/query_range", params(q))
                text = data.decode(errors="replace")
                key = status if status == 200 else "%d %s" % (status, next((x for x in LIMITS if x in text), "?"))
                answers[key] = answers.get(key, 0) + 1
                if status == 200:
                    json.loads(text)
                elif status not in (400, 429, 500, 503, 504) or not any(x in text for x in LIMITS):
                    bad.append((q, status, text[:200]))
            except Exception as e:  # of a thread: it would be lost
                bad.append((q, repr(e)))

        def watch():
            while not done.is_set():
                peak[0] = max(peak[0], rss_mb(s))
                begin = time.monotonic()
                status, _ = s.get("/loki/api/v1/labels", {"start": START, "end": END})
                small.append(time.monotonic() - begin)
                if status != 200:
                    bad.append(("labels", status))
                time.sleep(0.05)

        watcher = threading.Thread(target=watch)
        watcher.start()
        threads = [threading.Thread(target=ask, args=(HEAVY[i % len(HEAVY)],)) for i in range(20)]
        begin = time.monotonic()
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        took = time.monotonic() - begin
        done.set()
        watcher.join()
        print("      %d lines, 20 queries in %.1f s, answers %s, RSS %.0f MB before, %.0f MB at most, small query %.0f ms at most"
              % (2 * LINES, took, answers, before, peak[0], 1000 * max(small)))
        assert not bad, bad[:3]
        assert sum(answers.values()) == 20, answers
        assert answers.get(200, 0) > 0, answers
        assert peak[0] < slack(s) * (LIMIT_MB + MARGIN_MB), peak[0]
        assert max(small) < 10, max(small)  # it waits for a worker, not for all of the queries
        assert s.get("/loki/api/v1/query_range", params('{app="a1"}', limit=3))[0] == 200
        metrics = s.get("/metrics")[1].decode()
        left = [x for x in metrics.splitlines() if x.startswith("skald_memory_used_bytes") and "quer" in x]
        assert left and all(float(x.split()[-1]) == 0 for x in left), left


def busy_s(s):
    """CPU time of the process so far."""
    with open("/proc/%d/stat" % s.proc.pid) as f:
        v = f.read().rsplit(")", 1)[1].split()
    return (int(v[11]) + int(v[12])) / os.sysconf("SC_CLK_TCK")


WORK = " | json" + ' | line_format "{{ regexReplaceAll `(a|b)+(c|d)*` .text `${1}x` | upper }}"' * 12
SLOW = ['sum(count_over_time({app=~".+"}%s |= "absent" [30m]))' % WORK, '{app=~".+"}%s |= "absent"' % WORK]


def timeouts_hold():
    with server(limits=", query_timeout: 200ms") as s:
        fill(s, 0)
        for q in SLOW:
            begin = time.monotonic()
            status, data = s.get("/loki/api/v1/query_range", params(q))
            late = time.monotonic() - begin - 0.2
            print("      %-30.30s answered %d, %.0f ms behind the timeout" % (q, status, 1000 * late))
            assert status == 504 and b"request timed out" in data, (status, data[:200])
            assert late < 0.5 * slack(s), late


def cancelled_queries_end():
    with server() as s:
        fill(s, 0)
        for q in SLOW:
            c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
            c.request("GET", "/loki/api/v1/query_range?" + urllib.parse.urlencode(params(q, step="1s")))
            time.sleep(0.15)
            c.close()
            begin, last, end = time.monotonic(), busy_s(s), time.monotonic()
            while time.monotonic() < max(begin + 0.3, end + 0.2):  # until it does nothing for a while
                time.sleep(0.02)
                if busy_s(s) > last:
                    last, end = busy_s(s), time.monotonic()
                assert end - begin < 10, "it goes on"
            print("      %-30.30s busy for %.0f ms after its client left" % (q, 1000 * (end - begin)))
            assert end - begin < 0.5 * slack(s), end - begin


if __name__ == "__main__":
    run([twenty_at_once, timeouts_hold, cancelled_queries_end])
