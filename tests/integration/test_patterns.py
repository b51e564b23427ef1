#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Patterns of pushed lines through the real binary: found per level, for the tenant and selector that ask; nothing of them is
served when pattern_ingester is off."""
import json
import sys

from skaldtest import Server

T0 = 1_795_356_000
PATH = "/loki/api/v1/patterns"
SPAN = {"start": str(T0), "end": str(T0 + 600), "step": "28s"}


def same(what, got, want):
    if got != want:
        raise AssertionError("%s: %s, expected %s" % (what, got, want))


def patterns(server, tenant, query):
    status, body = server.get(PATH, dict(SPAN, query=query), tenant=tenant)
    same("status", (status, body[-1:]), (200, b"\n"))
    return json.loads(body)["data"]


def main():
    with Server(auth=True, extra="pattern_ingester: {enabled: true}\n") as server:
        for i in range(0, 60, 2):
            at = (T0 + i) * 1_000_000_000
            server.push([({"app": "cli"}, [(at, 'level=error i=%d k=0 msg="hello <world>"' % i), (at + 1, "level=info i=%d k=1" % i)])], tenant="a")
        server.push([({"app": "cli"}, [(T0 * 1_000_000_000, "somebody else's")])], tenant="b")
        found = patterns(server, "a", '{app="cli"}')
        same("patterns", [(p["pattern"], p["level"], sum(n for _, n in p["samples"])) for p in found],
             [('level=error i=<_> k=0 msg="hello <world>"', "error", 30), ("level=info i=<_> k=1", "info", 30)])
        same("grid", [at % 28 for at, _ in found[0]["samples"]], [0, 0])
        same("escaped", b"i=\\u003c_\\u003e k=0" in server.get(PATH, dict(SPAN, query='{app="cli"}'), tenant="a")[1], True)
        same("selector", patterns(server, "a", '{app="other"}'), [])
        same("tenant", [p["pattern"] for p in patterns(server, "b", '{app=~".+"}')], ["somebody else's"])
        same("not a selector", server.get(PATH, dict(SPAN, query='{app="cli"} |= "x"'), tenant="a"),
             (400, b"only label matchers are supported"))
        same("ring", server.get("/pattern/ring")[0], 200)
    with Server(auth=True) as server:
        same("off", server.get(PATH, dict(SPAN, query='{app="cli"}'), tenant="a"), (404, b""))
        same("off, and wrong", server.get(PATH, dict(SPAN, query="{app="), tenant="a"),
             (400, b"parse error at line 1, col 6: syntax error: unexpected $end, expecting STRING"))
    print("ok")
    sys.exit(0)


main()
