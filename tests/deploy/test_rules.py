#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Alert rules: promtool's check and tests, a test for each alert, texts, limits, names of metrics."""
from __future__ import annotations

import json
import re
import time

import queries
from common import DEPLOY, KUSTOMIZE, load, output, run
from skaldtest import Server

RULES = DEPLOY / "rules"


def check() -> None:
    output([queries.promtool(), "check", "rules", *map(str, sorted(RULES.glob("*.yaml")))])


def tests_pass() -> None:
    output([queries.promtool(), "test", "rules", *map(str, sorted((RULES / "tests").glob("*.yaml")))])


def every_alert_has_tests() -> None:
    """One in which it is raised, one in which it is not."""
    raised, quiet = set(), set()
    for path in (RULES / "tests").glob("*.yaml"):
        for test in load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test["alert_rule_test"]:
                (raised if case["exp_alerts"] else quiet).add(case["alertname"])
    alerts = {rule["alert"] for _, rule in queries.rules()}
    assert len(alerts) >= 15
    assert raised == quiet == alerts, (raised ^ alerts, quiet ^ alerts)


def texts() -> None:
    """Severity, summary, a description with its subject, a runbook that exists."""
    book = (DEPLOY / "ALERTS.md").read_text(encoding="utf-8")
    sections = {h.strip().lower() for h in re.findall(r"(?m)^#+ (\w+)$", book)}
    for file, rule in queries.rules():
        name, notes = rule["alert"], rule["annotations"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), name
        assert set(notes) == {"summary", "description", "runbook_url"}, name
        assert "{{" in notes["description"] or name == "SkaldDown", f"{file} {name}: says not what"
        assert notes["runbook_url"] == f"deploy/ALERTS.md#{name.lower()}", name
        assert name.lower() in sections, f"deploy/ALERTS.md has no section {name}"


def limit_is_that_of_the_configuration() -> None:
    config = load((KUSTOMIZE / "base/skald/config.yaml").read_text(encoding="utf-8"))
    limit = config["limits_config"]["max_global_streams_per_user"]
    [rule] = [r for _, r in queries.rules() if r["alert"] == "SkaldStreamsNearLimit"]
    assert rule["expr"].endswith(f"0.8 * {limit}"), rule["expr"]


def skalds_names() -> set[str]:
    """What a skald serves that has seen a push, a refused line and a query."""
    with Server(limits="reject_old_samples: true") as s:
        now = time.time_ns()
        assert s.push([({"a": "b"}, [(now, "line")])])[0] == 204
        assert s.push([({"a": "b"}, [(now - 30 * 86400 * 10**9, "old")])])[0] == 400
        s.lines('{a="b"}', now - 10**9, now + 10**9)
        text = s.get("/metrics")[1].decode()
    return set(re.findall(r"(?m)^([a-zA-Z_:][\w:]*)", text))


def metrics_exist() -> None:
    """Every metric is skald's own, or listed with its source."""
    used: dict[str, str] = {}
    for file, rule in queries.rules():
        used.update({m: f"{file} {rule['alert']}" for m in queries.metrics(rule["expr"])})
    for where, expr in queries.targets("prometheus"):
        used.update({m: where for m in queries.metrics(queries.plain(expr))})
    for file, dashboard in queries.dashboards().items():
        for variable in dashboard["templating"]["list"]:
            text = json.dumps(variable.get("query"))
            used.update({m: file for m in re.findall(r"label_values\((\w+)", text)})
    listed, served = queries.sources(), skalds_names()
    ours = {m for m in used if m.startswith(("loki_", "skald_", "process_"))}
    assert len(ours) > 25, ours
    missing = {m: w for m, w in used.items() if m not in served and m not in listed
               and m != "x"}
    assert not missing, f"neither skald nor metrics.txt has: {missing}"
    stale = {m for m in listed if m not in used}
    assert not stale, f"metrics.txt lists what nothing asks for: {stale}"
    late = {m for m in listed if m in served and m.startswith("loki_")}
    assert not late, f"skald serves them now, take them out of metrics.txt: {late}"


if __name__ == "__main__":
    run([check, tests_pass, every_alert_has_tests, texts, limit_is_that_of_the_configuration,
         metrics_exist])
