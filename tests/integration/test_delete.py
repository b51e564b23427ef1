#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Delete requests: the texts and statuses of the API, what they hide from log and metric queries and what they leave alone, that
they outlive a restart and a flush, that cancelling brings entries back, and where the API is not to be had."""
import json
import os
import time
import urllib.parse

import skaldtest
from skaldtest import Server

T0 = (int(time.time()) - 7200) // 60 * 60  # seconds
NS = 1_000_000_000
API = "/loki/api/v1/delete"
ON = "compactor: {retention_enabled: true, delete_request_store: filesystem}\n"


def send(s, method, path=API, tenant=None, body=None, headers=None, **params):
    h = dict(headers or {}, **({"X-Scope-OrgID": tenant} if tenant else {}))
    q = urllib.parse.urlencode(params)
    return s.request(method, path + ("?" + q if q else ""), body, h)


def create(s, query, start, end, tenant=None):
    status, headers, body = send(s, "POST", tenant=tenant, query=query, start=start, end=end)
    assert (status, body) == (204, b""), (status, body)
    ident = headers["X-Delete-Request-Id"]
    assert len(ident) == 8 and int(ident, 16) >= 0
    return ident


def fill(s, tenant=None):
    """Two streams, an entry per second for a minute; every third is an error, metadata n counts."""
    for app in "a", "b":
        rows = [((T0 + i) * NS, "level=%s n=%d" % ("error" if i % 3 == 0 else "info", i), {"n": str(i)}) for i in range(60)]
        assert s.push([({"app": app}, rows)], tenant)[0] == 204


def seen(s, query='{app=~".+"}', tenant=None):
    """{app: set of n}, of a log query; the metric query must count as many."""
    got = {}
    for labels, values in s.query(query, T0 * NS, (T0 + 60) * NS, tenant=tenant):
        got.setdefault(labels["app"], set()).update(int(v[1].split("n=")[1]) for v in values)
    params = {"query": "sum by (app) (count_over_time(%s [1m]))" % query, "time": T0 + 59}
    status, body = s.get("/loki/api/v1/query", params, tenant)
    assert status == 200, body
    counts = {r["metric"]["app"]: int(r["value"][1]) for r in json.loads(body)["data"]["result"]}
    assert counts == {app: len(n) for app, n in got.items()}, (counts, got)
    return got


ALL = set(range(60))


def texts():
    with Server(extra=ON) as s:
        now = int(time.time())
        for params, text in (
                ({}, "query not set"), ({"query": "{a=\"b\"}"}, "start time not set"),
                ({"query": "{a=", "start": T0}, "invalid query expression"),
                ({"query": "rate({a=\"b\"}[1m])", "start": T0}, "invalid query expression"),
                ({"query": "{a=\"b\"} |~ \"(\"", "start": T0}, "invalid query expression"),
                ({"query": b"{a=\"\x8c\"}", "start": T0}, "invalid query expression"),
                ({"query": "{a=\"b\"}", "start": T0 * NS}, "invalid start time: require unix seconds or RFC3339 format"),
                ({"query": "{a=\"b\"}", "start": T0, "end": "x"}, "invalid end time: require unix seconds or RFC3339 format"),
                ({"query": "{a=\"b\"}", "start": T0, "end": now + 3600}, "deletes in the future are not allowed"),
                ({"query": "{a=\"b\"}", "start": T0, "end": T0}, "start time can't be greater than or equal to end time")):
            for method in "POST", "PUT":
                status, _, body = send(s, method, **params)
                assert (status, body.decode()) == (400, text + "\n"), (params, status, body)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urllib.parse.urlencode({"query": "{a=\"b\"}", "start": T0}).encode()
        assert send(s, "POST", body=body, headers=form)[::2] == (400, b"query not set\n")  # parameters of the URL only
        assert send(s, "GET")[::2] == (200, b"[]\n")
        assert send(s, "GET", "/loki/api/v1/cache/generation_numbers")[2] == b'""\n'
        status, headers, body = send(s, "PUT", query="{a=\"<b>\"}", start="2026-01-01T00:00:00.5Z", end="2026-01-01T01:00:00Z", max_interval="1h")
        assert status == 204, body
        status, reply, body = send(s, "GET")
        item = json.loads(body)[0]
        assert abs(item["created_at"] - time.time()) < 60 and reply["Content-Type"] == "application/json"
        want = ('[{"request_id":"%s","start_time":1767225600.5,"end_time":1767229200,"query":"{a=\\"\\u003cb\\u003e\\"}",'
                '"status":"received","created_at":%s,"user_id":""}]\n' % (headers["X-Delete-Request-Id"], repr(item["created_at"])))
        assert body.decode() == want, body
        assert int(json.loads(send(s, "GET", "/loki/api/v1/cache/generation_numbers")[2])) // NS >= now
        assert send(s, "DELETE", request_id="zzz")[::2] == (404, b"could not find delete request with given id\n")
        assert send(s, "PATCH")[0] == 405


def effect():
    with Server(extra=ON) as s:
        fill(s)
        assert seen(s) == {"a": ALL, "b": ALL}
        ident = create(s, '{app="a"}', T0 + 10, T0 + 19)  # both ends belong to it
        kept = ALL - set(range(10, 20))
        assert seen(s) == {"a": kept, "b": ALL}
        assert send(s, "DELETE", request_id=ident)[0] == 204
        assert seen(s) == {"a": ALL, "b": ALL}
        create(s, '{app=~"a|b"} |= "error"', T0, T0 + 29)
        kept = {i for i in ALL if i >= 30 or i % 3 != 0}
        assert seen(s) == {"a": kept, "b": kept}
        assert seen(s, '{app="a"} |= "level=info"') == {"a": {i for i in ALL if i % 3 != 0}}
        create(s, '{app="b"} | n="40"', T0, T0 + 59)  # metadata
        create(s, '{app="b"} | logfmt | level="info" | n>50', T0, T0 + 59)
        of_b = {i for i in kept if i != 40 and not (i > 50 and i % 3 != 0)}
        assert seen(s) == {"a": kept, "b": of_b}
        s.flush()
        assert seen(s) == {"a": kept, "b": of_b}
        s.stop()
        s.start()
        assert seen(s) == {"a": kept, "b": of_b} and len(json.loads(send(s, "GET")[2])) == 3
        create(s, "{}", T0 - 60, T0 + 120)
        assert seen(s) == {}
        data = json.loads(s.get("/loki/api/v1/series", {"start": T0, "end": T0 + 60})[1])["data"]
        assert len(data) == 2  # streams are still listed
        assert send(s, "DELETE", force="true")[0] == 204  # without an id: all
        assert send(s, "GET")[2] == b"[]\n" and seen(s) == {"a": ALL, "b": ALL}
        assert send(s, "DELETE")[0] == 204


def tenants():
    with Server(auth=True, extra=ON) as s:
        for t in "one", "two":
            fill(s, t)
        create(s, '{app=~".*"}', T0, T0 + 59, tenant="one")
        assert seen(s, tenant="one") == {} and seen(s, tenant="two") == {"a": ALL, "b": ALL}
        assert send(s, "GET", tenant="two")[2] == b"[]\n" and send(s, "GET")[::2] == (401, b"no org id\n")


def modes():
    overrides = "overrides:\n  off: {deletion_mode: disabled}\n"
    with Server(auth=True) as s:
        assert send(s, "GET", tenant="one")[0] == 404 and send(s, "GET", "/loki/api/v1/cache/generation_numbers", tenant="one")[0] == 404
    s = Server(auth=True, extra=ON)
    path = os.path.join(s.folder, "overrides.yaml")
    with open(path, "w") as f:
        f.write(overrides)
    with open(s.config, "a") as f:
        f.write("runtime_config: {file: %s}\n" % path)
    with s:
        for method in "GET", "POST", "DELETE":
            assert send(s, method, tenant="off")[::2] == (403, b"deletion is not available for this tenant\n")
        assert send(s, "GET", tenant="on")[0] == 200


def damaged():
    """What was deleted must not come back because a file is damaged: the server refuses to start, and names the file."""
    with Server(extra=ON) as s:
        create(s, '{app="a"}', T0, T0 + 59)
        s.stop()
        path = os.path.join(s.folder, "skald", "deletes", "fake.deletes")
        with open(path, "r+b") as f:
            data = f.read().replace(b'\\"a\\"', b'\\"b\\"')
            f.seek(0)
            f.write(data)
        s.start(ready=False)
        assert s.proc.wait(30) != 0 and "fake.deletes cannot be read: damaged data" in s.log()
        s.proc = None


if __name__ == "__main__":
    skaldtest.run([texts, effect, tenants, modes, damaged])
