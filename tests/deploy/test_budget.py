#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The table of memory and CPU in deploy/README.md is that of the manifests, and its sum fits a small board.

  test_budget.py            compare
  test_budget.py --write    write the table into deploy/README.md
"""
from __future__ import annotations

import sys
from typing import Any

from common import DEPLOY, OVERLAYS, Doc, built, containers, load, mebibytes, run

README = DEPLOY / "README.md"
MARKS = ("<!-- budget: tests/deploy/test_budget.py --write -->\n", "<!-- end of budget -->")
COLUMNS = [o for o in OVERLAYS if o != "base"]
# All of it on one board, kube-prometheus-stack included. GB, not GiB.
SUMS_MAX_GB = {"overlays/pi": 2.0, "overlays/pi-lite": 2.0, "overlays/single-node": 2.4,
               "overlays/ssd": 2.4}
ON_EVERY_NODE = {"collector", "node_exporter"}
NAMES = {"StatefulSet/loki/loki": "skald", "DaemonSet/otel-collector/otel-collector": "collector",
         "Deployment/jaeger/jaeger": "Jaeger",
         "StatefulSet/victoriametrics/victoriametrics": "VictoriaMetrics"}
# Rows of the Helm values: path of "resources" and how many containers have them.
CHART = {"Prometheus": ("prometheus.prometheusSpec", 1), "Grafana": ("grafana", 1),
         "Grafana's sidecars": ("grafana.sidecar", 2),
         "Alertmanager": ("alertmanager.alertmanagerSpec", 1),
         "operator": ("prometheusOperator", 1),
         "config reloaders": ("prometheusOperator.prometheusConfigReloader", 2),
         "kube-state-metrics": ("kube-state-metrics", 1),
         "node_exporter": ("prometheus-node-exporter", 1)}


def at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[step]
    return value


def helm_values() -> Any:
    file = DEPLOY / "helm/values-kube-prometheus-stack.yaml"
    return load(file.read_text(encoding="utf-8"))


def inside(name: str, c: Doc, docs: list[Doc]) -> str:
    """What holds the process below the limit, from the manifest."""
    env = {e["name"]: e.get("value") for e in c.get("env", [])}
    if name == "skald":
        return "itself: 0.8 of the limit over all its accounts"
    if name == "VictoriaMetrics":
        return next(a for a in c["args"] if "allowedBytes" in a)
    config = next(d["data"] for d in docs if d["kind"] == "ConfigMap"
                  and d["metadata"]["name"].startswith(c["name"] + "-"))
    limiter = load(config["config.yaml"])["processors"]["memory_limiter"]
    bound = f"{limiter['limit_mib']} MiB" if "limit_mib" in limiter else \
        f"{limiter['limit_percentage']} %"
    return f"GOMEMLIMIT {env['GOMEMLIMIT']}, memory_limiter {bound}"


def rows(overlay: str) -> dict[str, tuple[str, float, str]]:
    """Component: (cpu, MiB, what enforces it). Jobs are not counted: they come and go."""
    docs, found = built(overlay), {}
    for where, c, _ in containers(docs):
        if where in NAMES:
            r = c["resources"]
            found[NAMES[where]] = (r["requests"]["cpu"], mebibytes(r["limits"]["memory"]),
                                   inside(NAMES[where], c, docs))
        else:
            assert where.startswith("CronJob/"), f"{where} is missing in the table"
    if overlay == "overlays/pi-lite":
        return found
    values = helm_values()
    for name, (path, count) in CHART.items():
        r = at(values, path)["resources"]
        assert r["requests"]["memory"] == r["limits"]["memory"], path
        cpu = f"{count} × {r['requests']['cpu']}" if count > 1 else r["requests"]["cpu"]
        found[name] = (cpu, count * mebibytes(r["limits"]["memory"]), "")
    found["Prometheus"] = (*found["Prometheus"][:2], "GOMEMLIMIT " + at(
        values, "prometheus.prometheusSpec.containers")[0]["env"][0]["value"])
    found["Grafana"] = (*found["Grafana"][:2], "GOMEMLIMIT " + at(values, "grafana.env.GOMEMLIMIT"))
    return found


def gigabytes(mib: float) -> float:
    return mib * 2**20 / 1e9


def table() -> str:
    columns = {o: rows(o) for o in COLUMNS}
    names = columns["overlays/pi"]
    heads = [o.split("/")[1] for o in COLUMNS]
    lines = ["| memory, request = limit (MiB) | " + " | ".join(heads) + " | CPU request | kept below it by |",
             "|---|" + "---:|" * len(heads) + "---|---|"]
    for name, (cpu, _, how) in names.items():
        cells = [f"{columns[o][name][1]:.0f}" if name in columns[o] else "–" for o in COLUMNS]
        each = ", a node" if name in ON_EVERY_NODE else ""
        lines.append(f"| {name}{each} | " + " | ".join(cells) + f" | {cpu} | {how} |")
    sums = [sum(r[1] for r in columns[o].values()) for o in COLUMNS]
    lines.append("| **one node, MiB** | " + " | ".join(f"**{s:.0f}**" for s in sums) + " | | |")
    lines.append("| **one node, GB** | " + " | ".join(f"**{gigabytes(s):.2f}**" for s in sums)
                 + " | | |")
    more = [sum(r[1] for n, r in columns[o].items() if n in ON_EVERY_NODE) for o in COLUMNS]
    lines.append("| each further node, MiB | " + " | ".join(f"{s:.0f}" for s in more) + " | | |")
    return "\n".join(lines) + "\n"


def table_is_current() -> None:
    text = README.read_text(encoding="utf-8")
    have = text[text.index(MARKS[0]) + len(MARKS[0]):text.index(MARKS[1])]
    assert have == table(), "deploy/README.md: run tests/deploy/test_budget.py --write"


def sums_fit() -> None:
    for overlay, most in SUMS_MAX_GB.items():
        have = gigabytes(sum(r[1] for r in rows(overlay).values()))
        assert have < most, f"{overlay}: {have:.2f} GB, {most} is the most"


def helm_values_are_consistent() -> None:
    """GOMEMLIMIT is 0.8 of the limit there too."""
    values = helm_values()
    for spec, given in (
            (at(values, "prometheus.prometheusSpec"),
             at(values, "prometheus.prometheusSpec.containers")[0]["env"][0]["value"]),
            (values["grafana"], at(values, "grafana.env.GOMEMLIMIT"))):
        share = mebibytes(given) / mebibytes(spec["resources"]["limits"]["memory"])
        assert 0.78 <= share <= 0.82, share


def write() -> None:
    text = README.read_text(encoding="utf-8")
    begin, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    README.write_text(text[:begin] + table() + text[end:], encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        run([table_is_current, sums_fit, helm_values_are_consistent])
