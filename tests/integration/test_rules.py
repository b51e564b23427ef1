#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules API: reading a local folder of rule files, writing where rules can be written, texts and statuses of refusals, Prometheus's
JSON with its filters, what Grafana's alerting asks, limits, tenants, and where the API is not to be had."""
import json
import os

import skaldtest
from skaldtest import Server

API, PROM = "/loki/api/v1/rules", "/prometheus/api/v1/rules"
OK = b'{"status":"success","data":null,"errorType":"","error":""}'
WRITABLE = "storage_config: {use_thanos_objstore: true}\nruler_storage: {backend: filesystem}\n"
FILE = """groups:
- name: g1
  interval: 10s
  limit: 5
  future_key: {a: 1}
  rules:
  - alert: HighErr
    expr: sum by(app) (count_over_time({app=~".+"}[5m])) > 0
    for: 90s
    labels: {severity: page, b: "true"}
    annotations: {summary: "hi {{ $labels.app }}"}
  - {record: "app:count:5m", expr: 'sum by (app)(count_over_time({app=~".+"}[5m]))'}
- name: g2
  rules: [{alert: Other, expr: 'rate({a="b"}[1m]) > 1'}]
"""
GROUP = """name: g1
interval: 1m30s
rules:
    - alert: A
      expr: |
        sum(rate({a="b"} |= "x" [1m]))
          > 5
      for: 2h
      labels:
        "n": "5"
        severity: page
      annotations:
        colon: 'a: b'
        summary: hi {{ $value }}
    - record: a:b
      expr: sum(rate({a="b"}[1m]))
"""


def ask(s, method, path, body=None, tenant=None):
    status, headers, data = s.request(method, path, body, {"X-Scope-OrgID": tenant} if tenant else {})
    return status, headers.get("Content-Type"), data


def put(s, name, text, tenant="fake"):
    folder = os.path.join(s.folder, "rules", tenant)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w") as f:
        f.write(text)


def local():
    with Server() as s:
        where = os.path.join(s.folder, "rules", "fake")
        text = ("unable to read rule dir %s: open %s: no such file or directory\n" % (where, where)).encode()
        assert ask(s, "GET", API) == (400, "text/plain; charset=utf-8", text)
        assert ask(s, "POST", API + "/ns", GROUP)[::2] == (500, text)
        empty = b'{"status":"success","data":{"groups":[]},"errorType":"","error":""}'
        assert ask(s, "GET", PROM) == (200, "application/json", empty)
        put(s, "b.yaml", FILE)
        put(s, "a.yaml", "groups: [{name: x, rules: []}]\n")
        os.makedirs(os.path.join(where, "folder"))
        os.symlink("folder", os.path.join(where, "..data"))
        status, kind, data = ask(s, "GET", API)
        assert (status, kind) == (200, "application/yaml")
        assert data.decode() == """a.yaml:
    - name: x
      rules: []
b.yaml:
    - name: g1
      interval: 10s
      limit: 5
      rules:
        - alert: HighErr
          expr: sum by(app) (count_over_time({app=~".+"}[5m])) > 0
          for: 1m30s
          labels:
            b: "true"
            severity: page
          annotations:
            summary: hi {{ $labels.app }}
        - record: app:count:5m
          expr: sum by (app)(count_over_time({app=~".+"}[5m]))
    - name: g2
      rules:
        - alert: Other
          expr: rate({a="b"}[1m]) > 1
""", data.decode()
        assert ask(s, "GET", "/api/prom/rules/a.yaml")[2] == b"a.yaml:\n    - name: x\n      rules: []\n"
        assert ask(s, "GET", API + "/none")[::2] == (404, b"no rule groups found\n")
        # what Grafana asks to see whether rules can be edited
        assert ask(s, "GET", "/api/prom/rules/test/test")[::2] == (400, b"GetRuleGroup unsupported in rule local store\n")
        assert ask(s, "POST", API + "/ns", GROUP)[::2] == (500, b"SetRuleGroup unsupported in rule local store\n")
        for path, what in ((API + "/b.yaml/g1", "DeleteRuleGroup"), (API + "/b.yaml", "DeleteNamespace")):
            want = {"status": "error", "data": None, "errorType": "server_error", "error": what + " unsupported in rule local store"}
            status, kind, data = ask(s, "DELETE", path)
            assert (status, kind, json.loads(data)) == (500, "text/plain; charset=utf-8", want), data
        put(s, "c.yaml", "groups: [{name: x, rules: [{alert: A, expr: 'rate('}]}]\n")
        status, _, data = ask(s, "GET", API)
        assert status == 400 and ("error parsing %s/c.yaml: could not parse expression for alert 'A' in group 'x': parse error" % where).encode() in data
        assert ask(s, "GET", PROM)[0] == 500


def prometheus():
    with Server() as s:
        put(s, "r.yaml", FILE)
        status, kind, data = ask(s, "GET", PROM)
        assert (status, kind) == (200, "application/json")
        never = "0001-01-01T00:00:00Z"
        high = ('{"state":"inactive","name":"HighErr","query":"(sum by (app)(count_over_time({app=~\\".+\\"}[5m])) \\u003e 0)","duration":90,'
                '"labels":{"b":"true","severity":"page"},"annotations":{"summary":"hi {{ $labels.app }}"},"alerts":[],"health":"unknown",'
                '"lastError":"","type":"alerting","lastEvaluation":"%s","evaluationTime":0}' % never)
        count = ('{"name":"app:count:5m","query":"sum by (app)(count_over_time({app=~\\".+\\"}[5m]))","labels":{},"health":"unknown",'
                 '"lastError":"","type":"recording","lastEvaluation":"%s","evaluationTime":0}' % never)
        tail = '"limit":%d,"lastEvaluation":"' + never + '","evaluationTime":0}'
        g1 = '{"name":"g1","file":"r.yaml","rules":[%s,%s],"interval":10,' % (high, count) + tail % 5
        assert data.decode().startswith('{"status":"success","data":{"groups":[' + g1 + ',{"name":"g2"'), data.decode()
        assert data.endswith(b']},"errorType":"","error":""}')
        assert json.loads(data)["data"]["groups"][1]["interval"] == 60

        def names(query):
            groups = json.loads(ask(s, "GET", PROM + "?" + query)[2])["data"]["groups"]
            return [(g["name"], [r["name"] for r in g["rules"]]) for g in groups]
        assert names("type=record") == [("g1", ["app:count:5m"])]
        assert names("type=alert") == [("g1", ["HighErr"]), ("g2", ["Other"])]
        assert names("rule_name[]=Other&rule_name[]=HighErr") == [("g1", ["HighErr"]), ("g2", ["Other"])]
        assert names("rule_group[]=g2") == [("g2", ["Other"])] and names("file[]=x") == []
        assert ask(s, "GET", PROM + "?type=x")[0] == 400
        alerts = b'{"status":"success","data":{"alerts":[]},"errorType":"","error":""}'
        assert ask(s, "GET", "/prometheus/api/v1/alerts") == (200, "application/json", alerts)


def writable():
    with Server(extra=WRITABLE) as s:
        assert ask(s, "GET", API)[::2] == (404, b"no rule groups found\n")
        assert ask(s, "GET", "/api/prom/rules/test/test")[::2] == (404, b"group does not exist\n")
        for body, text in (("", "group 0: Groupname must not be empty"), ("{", "unable to decoded rule group"), ("[]", "unable to decoded rule group"),
                           ("name: g\ninterval: x\n", "unable to decoded rule group"),
                           ("name: g\nrules: [{alert: A}]", "field 'expr' must be set in rule"),
                           ("name: g\nrules: [{expr: 'vector(1)'}]", "one of 'record' or 'alert' must be set"),
                           ("name: g\nrules: [{record: 'a b', expr: 'vector(1)', for: 1m}]",
                            "invalid field 'for' in recording rule, invalid recording rule name: a b"),
                           ("name: g2\nrules: [{alert: X, expr: 'rate('}]",
                            "could not parse expression for alert 'X' in group 'g2': parse error at line 1, col 6: syntax error: unexpected $end, "
                            "expecting { or (")):
            status, _, data = ask(s, "POST", API + "/ns", body)
            assert (status, data.decode()) == (400, text + "\n") or ("g2" in text and status == 400 and text[:70] in data.decode()), (body, data)
        assert ask(s, "POST", API + "/ns", GROUP) == (202, "application/json", OK)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert s.request("POST", "/api/prom/rules/a%20b%3A", "name: 'null'\nrules: []\n# 100%zz", form)[0] == 202
        assert ask(s, "GET", API + "/ns/g1") == (200, "application/yaml", GROUP.encode())
        both = 'a b::\n    - name: "null"\n      rules: []\nns:\n'
        s.stop()
        s.start()
        data = ask(s, "GET", API)[2].decode()
        assert data.replace("'", "").startswith(both), data
        assert ask(s, "POST", API + "/ns", "name: g1\nlimit: 3\n")[0] == 202  # replaces
        assert ask(s, "POST", API + "/ns", "name: a/b\n")[0] == 202
        assert ask(s, "GET", API + "/ns")[2] == b"ns:\n    - name: a/b\n      rules: []\n    - name: g1\n      limit: 3\n      rules: []\n"
        assert ask(s, "DELETE", API + "/ns/g1") == (202, "application/json", OK)
        assert ask(s, "DELETE", API + "/ns/g1")[0] == 202  # also when it is not there
        assert ask(s, "DELETE", API + "/nowhere")[::2] == (404, b"group namespace does not exist\n")
        assert ask(s, "DELETE", API + "/ns")[0] == 202 and ask(s, "DELETE", API + "/ns")[0] == 404
        assert ask(s, "GET", API + "/ns")[0] == 404 and ask(s, "GET", API)[0] == 200
        assert ask(s, "PUT", API + "/ns")[0] == 405


def limits_and_tenants():
    limits = "ruler_max_rules_per_rule_group: 1, ruler_max_rule_groups_per_tenant: 2"
    with Server(auth=True, limits=limits, extra=WRITABLE) as s:
        assert ask(s, "GET", API)[::2] == (401, b"no org id\n")
        assert ask(s, "POST", API + "/ns", GROUP, "one")[::2] == (400, b"per-user rules per rule group limit (limit: 1 actual: 2) exceeded\n")
        for name in "a", "b":
            assert ask(s, "POST", API + "/ns", "name: " + name, "one")[0] == 202
        assert ask(s, "POST", API + "/ns", "name: c", "one")[::2] == (400, b"per-user rule groups limit (limit: 2 actual: 3) exceeded\n")
        assert ask(s, "GET", API, tenant="two")[0] == 404 and ask(s, "POST", API + "/ns", "name: c", "two")[0] == 202


def off():
    with Server(extra="ruler: {enable_api: false}\n") as s:
        for path in API, API + "/a", "/api/prom/rules/a/b", PROM, "/prometheus/api/v1/alerts":
            assert ask(s, "GET", path)[::2] == (404, b"404 page not found\n"), path


if __name__ == "__main__":
    skaldtest.run([local, prometheus, writable, limits_and_tenants, off])
