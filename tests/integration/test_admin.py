#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pages for operators: rings, limits of a tenant, and the ways to stop through HTTP, with and without a flush."""
import json
import sys

from skaldtest import Server

T0 = 1_768_467_600_000_000_000


def same(what, got, want):
    if got != want:
        raise AssertionError("%s: %s, expected %s" % (what, got, want))


def pages(server):
    for path in ("/ring", "/distributor/ring", "/compactor/ring", "/scheduler/ring"):
        status, headers, body = server.request("GET", path)
        same(path, (status, headers["Content-Type"], b"ACTIVE" in body), (200, "text/html; charset=utf-8", True))
        same(path, json.loads(server.get(path, headers={"Accept": "application/json"})[1])["shards"][0]["state"], "ACTIVE")
    same("ruler", server.get("/ruler/ring")[0], 200)
    for path in ("/pattern/ring", "/indexgateway/ring", "/loki/api/v1/cache/generation_numbers"):
        same(path, server.get(path), (404, b"404 page not found\n"))
    same("memberlist", server.get("/memberlist"), (200, b"This instance doesn't use memberlist."))
    same("shards", server.get("/loki/api/v1/index/shards", {"query": '{a="b"}'}),
         (400, b"targetBytesPerShard must be a positive value"))
    status, headers, body = server.request("GET", "/loki/api/v1/drilldown-limits")
    o = json.loads(body)
    same("drilldown", (status, headers["Content-Type"], o["pattern_ingester_enabled"], o["version"]),
         (200, "application/json", False, "3.7.6"))
    limits = o["limits"]
    same("drilldown", [limits[k] for k in ("max_query_length", "max_query_bytes_read", "query_timeout", "max_query_series", "volume_enabled")],
         ["30d1h", "0B", "1m", 7, True])
    same("lists", limits["log_level_fields"][0], "level")
    status, body = server.get("/config/tenant/v1/limits")
    lines = body.decode().splitlines()
    same("limits", (status, "max_query_series: 7" in lines, "max_query_length: 30d1h" in lines, '    - "level"' in lines),
         (200, True, True, True))


def chunks(server):
    return json.loads(server.get("/loki/api/v1/index/stats", {"query": '{app="x"}', "start": T0, "end": T0 + 1_000_000_000})[1])["entries"]


def stops():
    server = Server()
    with server:
        server.push([({"app": "x"}, [(T0 + 1, "one")])])
        same("get", server.request("GET", "/ingester/shutdown")[0], 405)
        same("mark", server.get("/ingester/prepare_shutdown")[1], b"unset")
        same("mark", server.request("POST", "/ingester/prepare_shutdown")[0], 204)
        same("mark", server.get("/ingester/prepare_shutdown")[1], b"set")
        same("mark", server.request("DELETE", "/ingester/prepare_shutdown")[0], 204)
        same("mark", server.get("/ingester/prepare_shutdown")[1], b"unset")
        same("stop", server.request("POST", "/ingester/shutdown?flush=true")[0], 204)
        same("exit", server.proc.wait(60), 0)
        server.start()
        recovered = [line for line in server.get("/metrics")[1].decode().splitlines()
                     if line.startswith("loki_ingester_memory_chunks ")]
        same("flushed", (chunks(server), recovered), (1, ["loki_ingester_memory_chunks 0"]))
        same("stay", server.request("POST", "/ingester/shutdown?terminate=false")[0], 204)
        same("ready", server.get("/ready")[0], 503)
        same("push", server.push([({"app": "x"}, [(T0 + 2, "two")])])[0], 503)
        same("query", server.lines('{app="x"}', T0, T0 + 1_000_000_000), ["one"])


def main():
    with Server(limits="reject_old_samples: false, max_query_series: 7") as server:
        pages(server)
    stops()
    print("ok")
    sys.exit(0)


main()
