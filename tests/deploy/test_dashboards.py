#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dashboards: the JSON's shape, PromQL by promtool, LogQL by skald itself."""
from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import queries
from common import output, run, yaml_module
from skaldtest import Server

UIDS = {"cluster.json": "skald-cluster", "pods.json": "skald-pods", "ml.json": "skald-ml",
        "traces.json": "skald-traces", "logs.json": "skald-logs", "skald.json": "skald-self"}
PANELS = {"timeseries", "stat", "table", "logs", "traces", "row"}  # all in Grafana's core
UNITS = {"short", "none", "percentunit", "bytes", "Bps", "s", "ms", "cps", "reqps", "celsius"}


def overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    return (a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"]
            and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"])


def layout(dashboard: Any) -> list[str]:
    wrong, seen = [], []
    for p in queries.panels(dashboard):
        grid = p["gridPos"]
        if grid["x"] + grid["w"] > 24:
            wrong.append(f"{p['title']}: wider than the grid")
        wrong += [f"{p['title']} lies on {title}" for title, g in seen if overlap(grid, g)]
        seen.append((p["title"], grid))
    ids = [p["id"] for p in queries.panels(dashboard)]
    return wrong + (["panel ids are not unique"] if len(ids) != len(set(ids)) else [])


def panel(p: Any) -> list[str]:
    if p["type"] not in PANELS:
        return [f"{p['title']}: panel {p['type']}"]
    if p["type"] == "row":
        return []
    wrong = []
    if p["fieldConfig"]["defaults"].get("unit") not in UNITS:
        wrong.append(f"{p['title']}: unit {p['fieldConfig']['defaults'].get('unit')}")
    for part in (p, *p["targets"]):
        if not re.fullmatch(r"\$\{(datasource|loki|jaeger)\}", part["datasource"]["uid"]):
            wrong.append(f"{p['title']}: a data source that is no variable")
    refs = [t["refId"] for t in p["targets"]]
    if len(refs) != len(set(refs)) or not refs:
        wrong.append(f"{p['title']}: refIds {refs}")
    return wrong


def variables(dashboard: Any) -> list[str]:
    """Used and defined are the same."""
    defined = {v["name"] for v in dashboard["templating"]["list"]}
    text = json.dumps(dashboard)
    used = {n for n in re.findall(r"\$\{?(\w+)", text) if not n.startswith("__")}
    return ([f"not defined: {used - defined}"] if used - defined else []) + \
        ([f"not used: {defined - used}"] if defined - used else [])


def shape() -> None:
    all_ = queries.dashboards()
    assert {f: d["uid"] for f, d in all_.items()} == UIDS
    wrong = []
    for file, d in all_.items():
        found = layout(d) + variables(d) + [c for p in queries.panels(d) for c in panel(p)]
        if d["id"] is not None or d["schemaVersion"] < 39 or not d["editable"]:
            found.append("id, schemaVersion or editable")
        if d["refresh"] != "1m" or len(json.dumps(d)) > 2**20:
            found.append("refresh or size")
        wrong += [f"{file}: {c}" for c in found]
    assert not wrong, "\n".join(wrong)


def promql() -> None:
    """As recording rules, for promtool has no check of bare expressions."""
    found = list(queries.targets("prometheus"))
    assert len(found) > 60
    rules = [{"record": f"q:{i}", "expr": queries.plain(e)} for i, (_, e) in enumerate(found)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yaml"
        file.write_text(yaml_module().safe_dump({"groups": [{"name": "q", "rules": rules}]}),
                        encoding="utf-8")
        output([queries.promtool(), "check", "rules", str(file)])


def logql() -> None:
    """skald parses each and takes what it prints again."""
    found = list(queries.targets("loki"))
    assert len(found) > 10
    with Server() as s:
        for where, expr in found:
            for _ in range(2):
                status, data = s.get("/loki/api/v1/format_query",
                                     {"query": queries.plain(expr)})
                assert status == 200, f"{where}: {expr}: {data.decode()}"
                expr = json.loads(data)["data"]
            status, data = s.get("/loki/api/v1/query_range",
                                 {"query": queries.plain(expr), "step": "60"})
            assert status == 200, f"{where}: {expr}: {data.decode()}"


if __name__ == "__main__":
    run([shape, promql, logql])
