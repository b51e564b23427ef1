#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""measure.py -- the part of bench/run.sh that talks to the server; run that.

Rows of the table and their targets:

  ingest   raw MB per server CPU second, pushes and the flush behind them; 6 % of what snappy
           unpacking alone reaches (`limits`)
  search   raw MB per server CPU second of {env=~".+"} |= "nosuchtoken42xq" over the flushed day,
           caches warm; half of what unpacking zstd and one memmem reach together
  count... raw MB per server CPU second of the metric queries in METRICS over the flushed day, in steps of
           five minutes, caches warm; shares of what snappy unpacking alone reaches
  two...   CPU time of the busiest thread in a query with -skald.workers=1 over that with 2: how much
           sooner the answer is there when both have a processor to themselves. Wall times are printed
           beside it; they say the same on a machine that has nothing else to do

  memory   RSS on an empty folder, and 3 s after a restart on the flushed day
  ready    seconds from exec to the first 200 of /ready, after a clean stop

Exit status 1 when a target is missed, 2 when a measurement failed.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TICK = os.sysconf("SC_CLK_TCK")
NEEDLE = "nosuchtoken42xq"
IDLE_RSS_MB = 10
RESTART_RSS_MB = 40
READY_S = 1.0
TWO_WORKERS = 1.8
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

ALL = '{env=~".+"}'
# name, query, share of unpacking snappy
METRICS = (
    ("count by stream", "sum by (service_name, pod) (count_over_time(%s[1d]))" % ALL, 0.35),
    ("count of common lines", 'sum by (service_name) (count_over_time(%s |= "level" [5m]))' % ALL, 0.35),
    ("count of (?i) matches", 'sum by (service_name) (count_over_time(%s |~ "(?i)error|timeout" [5m]))' % ALL, 0.2),
    ("count by json label", 'sum by (level) (count_over_time(%s | json | __error__="" [5m]))' % ALL, 0.15),
    ("count by logfmt label", "sum by (level) (count_over_time(%s | logfmt [5m]))" % ALL, 0.15),
    ("quantile of json values", 'quantile_over_time(0.99, %s | json | __error__="" | unwrap duration_ms | __error__="" [5m]) '
     "by (service_name)" % ALL, 0.1),
)

CONFIG = """\
auth_enabled: false
server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}}}
common:
  path_prefix: {data}
  replication_factor: 1
  ring: {{kvstore: {{store: inmemory}}}}
  storage:
    filesystem: {{chunks_directory: {data}/chunks, rules_directory: {data}/rules}}
schema_config:
  configs:
    - from: 2024-01-01
      store: tsdb
      object_store: filesystem
      schema: v13
      index: {{prefix: index_, period: 24h}}
limits_config:
  reject_old_samples: false
  ingestion_rate_mb: 100000
  ingestion_burst_size_mb: 100000
  per_stream_rate_limit: 100GB
  per_stream_rate_limit_burst: 100GB
  max_global_streams_per_user: 0
"""


class Failed(Exception):
    pass


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """skald on one folder; start and stop as often as wanted."""

    def __init__(self, skald, work):
        self.skald, self.data = skald, os.path.join(work, "server")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config, self.log = os.path.join(work, "bench.yaml"), os.path.join(work, "skald.log")
        shutil.rmtree(self.data, ignore_errors=True)
        os.makedirs(self.data)
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(port=self.port, data=self.data))
        open(self.log, "w", encoding="utf-8").close()
        self.process = None

    def get(self, path, params=None, timeout=600):
        query = "?" + urllib.parse.urlencode(params) if params else ""
        return OPENER.open(self.url + path + query, timeout=timeout).read()

    def start(self, *args):
        """Seconds until /ready."""
        begin = time.monotonic()
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([self.skald, f"-config.file={self.config}", *args],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while time.monotonic() - begin < 120:
            if self.process.poll() is not None:
                raise Failed(f"skald ended with {self.process.returncode}, see {self.log}")
            try:
                self.get("/ready", timeout=5)
                return time.monotonic() - begin
            except OSError: # refused, or 503
                time.sleep(0.002)
        raise Failed("skald was not ready after two minutes")

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed("skald did not end within a minute of SIGTERM") from None
        if status != 0:
            raise Failed(f"skald ended with {status} after SIGTERM")

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss_mb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s*(\d+)", f.read())[1]) / 1024

    def metric(self, name):
        m = re.search(rf"^{name} (\S+)$", self.get("/metrics").decode(), re.M)
        return float(m[1]) if m else None

    def rest(self):
        """Waits until chunks have left memory and the CPU stands still for two seconds."""
        deadline, last, still = time.monotonic() + 300, self.cpu_s(), 0
        while time.monotonic() < deadline:
            time.sleep(0.5)
            now = self.cpu_s()
            still = still + 1 if now - last < 0.02 else 0
            last = now
            if still >= 4:
                left = self.metric("loki_ingester_memory_chunks")
                if left:
                    raise Failed(f"{left:.0f} chunks are still in memory after the flush")
                return
        raise Failed("the server did not come to rest after the flush")


def read_limits(path):
    with open(path, encoding="ascii") as f:
        text = f.read()

    def find(pattern):
        m = re.search(pattern, text)
        if not m:
            raise Failed(f"{path} lacks {pattern}")
        return float(m[1])

    return {"snappy": find(r"snappy .*unpack +(\d+) MB/s"),
            "zstd": find(r"zstd -1 .*unpack +(\d+) MB/s"),
            "memmem": find(rf"memmem {NEEDLE} +(\d+) MB/s")}


def ingest(server, day):
    before = server.cpu_s()
    r = subprocess.run([os.path.join(TOP, "bench/load/pushload"), "-c", "4", "-r", "30",
                        f"127.0.0.1:{server.port}", day + ".push"],
                       stdout=subprocess.PIPE, check=False)
    if r.returncode != 0:
        raise Failed(f"pushload ended with {r.returncode}: {r.stdout.decode()[:400]}")
    load = json.loads(r.stdout)
    pushed = server.cpu_s()
    OPENER.open(urllib.request.Request(server.url + "/flush", method="POST"), timeout=600).read()
    server.rest()
    after = server.cpu_s()
    print(f"pushed {load['raw_bytes'] / 1e6:.0f} MB in {load['wall_s']:.1f} s, status "
          f"{load['status']}; server CPU {pushed - before:.2f} s for pushes, "
          f"{after - pushed:.2f} s for the flush; client CPU {load['client_cpu_s']:.2f} s")
    return load["raw_bytes"] / 1e6 / (after - before)


def search(server, info, raw_mb):
    params = {"query": '{env=~".+"} |= "%s"' % NEEDLE, "limit": 100, "direction": "backward",
              "start": str(info["start"] * 10**9), "end": str((info["end"] + 1) * 10**9)}

    def once():
        answer = json.loads(server.get("/loki/api/v1/query_range", params))
        if answer["status"] != "success" or answer["data"]["result"]:
            raise Failed("the needle that is in no line was found, or the query failed")
        return answer

    stats = once()["data"].get("stats", {}).get("summary", {})
    seen = stats.get("totalBytesProcessed", 0) / 1e6
    if seen and seen < raw_mb * 0.9:
        raise Failed(f"the query looked at {seen:.0f} of {raw_mb:.0f} MB")
    return rate(server, "search", raw_mb, once)


def rate(server, name, raw_mb, once):
    """Raw MB per CPU second: the middle of three."""
    once()
    rates, walls = [], []
    for _ in range(3):
        cpu0, wall0, runs = server.cpu_s(), time.monotonic(), 0
        while runs < 3 or server.cpu_s() - cpu0 < 1: # ticks are 10 ms: a second makes 1 %
            once()
            runs += 1
        rates.append(raw_mb * runs / (server.cpu_s() - cpu0))
        walls.append((time.monotonic() - wall0) / runs)
    print(f"{name} {min(rates):.0f} to {max(rates):.0f} MB per CPU second, "
          f"{min(walls) * 1000:.0f} ms a query")
    return sorted(rates)[1]


def metric_query(server, info, name, query, raw_mb):
    start = info["start"] // 300 * 300
    params = {"query": query, "start": str(start), "end": str(start + 86400),
              "step": "86400" if "[1d]" in query else "300"}

    def once():
        answer = json.loads(server.get("/loki/api/v1/query_range", params))
        if answer["status"] != "success" or not answer["data"]["result"]:
            raise Failed(f"{query} gave nothing")

    return rate(server, name, raw_mb, once)


def threads_s(server):
    """CPU time of each thread."""
    times = {}
    for tid in os.listdir(f"/proc/{server.process.pid}/task"):
        with open(f"/proc/{server.process.pid}/task/{tid}/schedstat", encoding="ascii") as f:
            times[tid] = int(f.read().split()[0]) / 1e9
    return times


def two_workers(server, info):
    """By query: CPU time of the busiest thread with one worker over that with two."""
    start = info["start"] // 300 * 300
    span = {"start": str(start), "end": str(start + 86400)}
    queries = {"search": dict(span, query='{env=~".+"} |= "%s"' % NEEDLE, limit=100)}
    for name, query, _ in METRICS[1], METRICS[3]:
        queries[name] = dict(span, query=query, step="300")
    busiest, walls = {}, {}
    for workers in 1, 2:
        server.start(f"-skald.workers={workers}")
        for name, params in queries.items():
            for _ in range(9):
                begin, before = time.monotonic(), threads_s(server)
                server.get("/loki/api/v1/query_range", params)
                walls.setdefault((name, workers), []).append(time.monotonic() - begin)
                busiest.setdefault((name, workers), []).append(
                    max(t - before.get(tid, 0) for tid, t in threads_s(server).items()))
        server.stop()
    for name in queries:
        one, two = min(walls[name, 1]), min(walls[name, 2])
        print(f"{name}: {one * 1000:.0f} ms of wall time with one worker, {two * 1000:.0f} ms with two")
        yield f"two workers, {name}", sorted(busiest[name, 1])[4] / sorted(busiest[name, 2])[4]


def measure(args):
    limits = read_limits(args.day + ".limits")
    with open(args.day + ".json", encoding="ascii") as f:
        info = json.loads(f.read().strip().split("\n")[-1])
    raw_mb = info["raw_bytes"] / 1e6
    server, rows = Server(args.skald, args.work), []
    try:
        server.start()
        time.sleep(3)
        rows.append(("RSS, empty folder", server.rss_mb(), "MB", IDLE_RSS_MB, "at most"))
        rows.insert(0, ("ingest with flush", ingest(server, args.day), "MB/CPU s",
                        0.06 * limits["snappy"], "at least"))
        server.stop()
        ready = server.start()
        time.sleep(3)
        rows.append(("RSS, 3 s after restart", server.rss_mb(), "MB", RESTART_RSS_MB, "at most"))
        rows.append(("ready after a clean stop", ready, "s", READY_S, "at most"))
        rows.insert(1, ("needle search, warm", search(server, info, raw_mb), "MB/CPU s",
                        0.5 / (1 / limits["zstd"] + 1 / limits["memmem"]), "at least"))
        for i, (name, query, share) in enumerate(METRICS):
            rows.insert(2 + i, (name, metric_query(server, info, name, query, raw_mb), "MB/CPU s",
                                share * limits["snappy"], "at least"))
        server.stop()
        if os.cpu_count() >= 2:
            rows += [(name[:26], ratio, "times one", TWO_WORKERS, "at least") for name, ratio in two_workers(server, info)]
        size = sum(os.path.getsize(os.path.join(d, n)) for d, _, names
                   in os.walk(os.path.join(server.data, "chunks")) for n in names)
        print(f"chunks and indexes: {size / 1e6:.1f} MB, {size / 1e6 / raw_mb:.4f} of the lines")
    finally:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        if not args.keep:
            shutil.rmtree(server.data, ignore_errors=True)
    return limits, raw_mb, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("skald", "day", "work"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    try:
        limits, raw_mb, rows = measure(args)
    except (Failed, OSError, ValueError, KeyError) as e:
        print(f"bench: {e}", file=sys.stderr)
        return 2
    print(f"\n{os.uname().machine}, {os.cpu_count()} processors, {raw_mb:.0f} MB of lines; unpack "
          f"snappy {limits['snappy']:.0f}, zstd {limits['zstd']:.0f}, memmem "
          f"{limits['memmem']:.0f} MB/s")
    print(f"{'':26}{'measured':>12}{'target':>22}  verdict")
    missed = 0
    for name, value, unit, target, sense in rows:
        good = value >= target if sense == "at least" else value <= target
        missed += not good
        digits = 3 if unit == "s" else 1
        print(f"{name:26}{value:12.{digits}f}{sense:>12} {target:9.{digits}f}  "
              f"{'met' if good else 'MISSED'}  ({unit})")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
