#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Queries that name several tenants (`a|b`): streams carry __tenant_id__, matchers on it choose, pushes are refused; over data in
memory and on disk. Nobody sees a tenant that was not named. Without multi_tenant_queries_enabled such a query is refused."""
import json
import signal
import sys
import urllib.parse

from skaldtest import Server

T0 = 1_768_467_600_000_000_000
SPAN = {"start": str(T0), "end": str(T0 + 60_000_000_000)}


def same(what, got, want):
    if got != want:
        raise AssertionError("%s: %s, expected %s" % (what, got, want))


def ask(server, path, tenant, **params):
    status, body = server.get(path, dict(SPAN, **params), tenant=tenant)
    if status != 200:
        raise AssertionError("%s: %d %s" % (path, status, body))
    return json.loads(body)


def streams(server, tenant, query):
    data = ask(server, "/loki/api/v1/query_range", tenant, query=query)["data"]["result"]
    return sorted((s["stream"].get("__tenant_id__"), s["stream"].get("original___tenant_id__"), v[1]) for s in data for v in s["values"])


def check(server):
    same("both", streams(server, "b|a", '{app="x"}'), [("a", None, "k=a1"), ("b", "mine", "k=b1")])
    same("one of both", streams(server, "a|b", '{app="x", __tenant_id__="b"}'), [("b", "mine", "k=b1")])
    same("all but one", streams(server, "a|b", '{app="x", __tenant_id__!~"b|c"}'), [("a", None, "k=a1")])
    same("twice the same is one", streams(server, "a|a", '{app="x"}'), [(None, None, "k=a1")])
    same("none", streams(server, "c|d", '{app="x"}'), [("c", None, "k=c1")])
    result = ask(server, "/loki/api/v1/query", "a|b|d", query='sum by (__tenant_id__) (count_over_time({app="x"}[1m]))',
                 time=str(T0 + 30_000_000_000))["data"]["result"]
    same("counted", sorted((s["metric"]["__tenant_id__"], s["value"][1]) for s in result), [("a", "1"), ("b", "1")])
    same("labels", ask(server, "/loki/api/v1/labels", "a|b")["data"],
         ["__tenant_id__", "app", "original___tenant_id__", "service_name"])
    same("tenants", ask(server, "/loki/api/v1/label/__tenant_id__/values", "b|a|d")["data"], ["a", "b", "d"])
    same("values", ask(server, "/loki/api/v1/label/app/values", "a|b")["data"], ["big", "x"])
    same("series", len(ask(server, "/loki/api/v1/series", "a|b|c", **{"match[]": '{__tenant_id__=~"a|c"}'})["data"]), 4)
    same("fields", [f["cardinality"] for f in ask(server, "/loki/api/v1/detected_fields", "a|b", query='{app="x"}')["fields"]
                    if f["label"] == "k"], [2])
    volumes = ask(server, "/loki/api/v1/index/volume", "a|b", query='{app="big"}', targetLabels="__tenant_id__")["data"]["result"]
    same("volume", sorted(s["metric"]["__tenant_id__"] for s in volumes), ["a", "b"])
    status, body = server.get("/loki/api/v1/query_range", dict(SPAN, query='{app="x"}'), tenant="a|b/c")
    same("bad name", (status, body), (400, b"rpc error: code = Code(400) desc = tenant ID 'b/c' contains unsupported character '/'"))
    status, body = server.get("/loki/api/v1/query_range", dict(SPAN, query='rate({app="x"}[1m])'), tenant="a/b")
    same("bad name, metric", (status, body), (400, b"tenant ID 'a/b' contains unsupported character '/'"))


def deletes():
    """What one tenant deletes is hidden of it alone, in a query for several too; a tail is for one."""
    extra = "querier: {multi_tenant_queries_enabled: true}\ncompactor: {retention_enabled: true, delete_request_store: filesystem}\n"
    with Server(auth=True, extra=extra) as server:
        for tenant in ("a", "b"):
            server.push([({"app": "x"}, [(T0 + 1, "k=%s1" % tenant), (T0 + 2, "keep=%s" % tenant)]),
                         ({"app": "y"}, [(T0 + 1, "y of %s" % tenant)])], tenant=tenant)
        for tenant, query in (("a", '{app="x"} |= "k="'), ("b", '{ }')):
            path = "/loki/api/v1/delete?query=%s&start=%d&end=%d" % (urllib.parse.quote(query), T0 // 10**9, T0 // 10**9 + 60)
            status, _, body = server.request("POST", path, headers={"X-Scope-OrgID": tenant})
            same("delete of %s" % tenant, (status, body), (204, b""))
        same("both", streams(server, "a|b", '{app=~"x|y"}'), [("a", None, "keep=a"), ("a", None, "y of a")])
        same("a", [s[2] for s in streams(server, "a", '{app="x"}')], ["keep=a"])
        same("b", streams(server, "b", '{app=~".+"}'), [])
        status, body = server.get("/loki/api/v1/tail", {"query": '{app="x"}'}, tenant="a|b")
        same("tail", (status, body), (400, b"multiple org IDs present"))


def main():
    deletes()
    server = Server(auth=True, extra="querier: {multi_tenant_queries_enabled: true}\ningester: {wal: {flush_on_shutdown: true}}\n")
    with server:
        for tenant, own in (("a", {}), ("b", {"__tenant_id__": "mine"}), ("c", {})):
            server.push([(dict(own, app="x"), [(T0 + 1, "k=%s1" % tenant)]),
                         ({"app": "big"}, [(T0 + 1, "0123456789" * 500)])], tenant=tenant)
        status, _, body = server.request("POST", "/loki/api/v1/push", b"{}", {"Content-Type": "application/json", "X-Scope-OrgID": "a|b"})
        same("push", (status, body), (400, b"multiple org IDs present\n"))
        check(server)
        server.stop(signal.SIGTERM)
        server.start()
        check(server)
    with Server(auth=True) as server:
        status, body = server.get("/loki/api/v1/labels", SPAN, tenant="a|b")
        same("not enabled", (status, body), (400, b"multiple org IDs present"))
    print("ok")
    sys.exit(0)


main()
