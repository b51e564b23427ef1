# SPDX-License-Identifier: Apache-2.0
"""The queries of rules and dashboards: where they are, with variables replaced, the metrics they name."""
from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tools
from common import DEPLOY, load

GRAFANA = {"$__rate_interval": "5m", "$__interval": "1m", "$__auto": "5m", "$__range": "1h"}
WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left",
         "group_right", "inf", "nan", "atan2"}


def dashboards() -> dict[str, Any]:
    return {p.name: json.loads(p.read_text(encoding="utf-8"))
            for p in sorted((DEPLOY / "dashboards").glob("*.json"))}


def rules() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((DEPLOY / "rules").glob("*.yaml")):
        for group in load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                yield path.name, rule


def panels(dashboard: Any) -> Iterator[Any]:
    for p in dashboard["panels"]:
        yield p
        yield from p.get("panels", [])


def targets(kind: str) -> Iterator[tuple[str, str]]:
    """(where, query) of all dashboards' targets for one kind of data source."""
    for file, dashboard in dashboards().items():
        for p in panels(dashboard):
            for t in p.get("targets", []):
                if t["datasource"]["type"] == kind and "expr" in t:
                    yield f"{file}: {p['title']}", t["expr"]


def plain(query: str, variable: str = "x") -> str:
    """The query with Grafana's variables replaced."""
    for name in sorted(GRAFANA, key=len, reverse=True):
        query = query.replace(name, GRAFANA[name])
    return re.sub(r"\$\{?\w+\}?", variable, query)


def metrics(promql: str) -> set[str]:
    """Names of metrics in a PromQL expression."""
    found = set(re.findall(r'__name__=~?"([^"$]+)"', promql))
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', promql)
    text = re.sub(r"\{[^}]*\}", "", text)
    text = re.sub(r"\[[^\]]*\]", "", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    text = re.sub(r"\b[a-z_0-9]+\s*\(", "(", text)
    names = set(re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*", text)) - WORDS
    return found | {n for n in names if not n.startswith("__")}


def sources() -> dict[str, str]:
    """tests/deploy/metrics.txt."""
    lines = (Path(__file__).parent / "metrics.txt").read_text(encoding="utf-8").splitlines()
    return {x.split(None, 1)[0]: x.split(None, 1)[1].strip() for x in lines
            if x.strip() and not x.startswith("#")}


def promtool() -> str:
    """The pinned Prometheus' promtool when it is built, else the system's."""
    try:
        return str(tools.get("promtool"))
    except tools.Unavailable as e:
        found = shutil.which("promtool")
        if found is None:
            raise tools.Unavailable(f"{e}; nor is there one of the system (prometheus)") from e
        return found
