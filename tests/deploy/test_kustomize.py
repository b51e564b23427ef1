#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every overlay builds with the pinned kustomize, and what comes out keeps the rules of deploy/README.md."""
from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import tools
from common import (KUSTOMIZE, OVERLAYS, SKALD, Doc, built, built_text, containers, load, mebibytes,
                    named, output, pod_specs, run)

# Root with no capability: the logs of the node belong to root.
ROOT_PODS = {"DaemonSet/otel-collector"}
# Jobs end by themselves.
NO_PROBES = {"CronJob"}


def each(check: Any) -> None:
    """Runs a check over every overlay's objects; all complaints at once."""
    wrong = [f"{o}: {text}" for o in OVERLAYS for text in check(built(o))]
    assert not wrong, "\n".join(wrong)


def overlays_are_known() -> None:
    """A new overlay takes part in the tests."""
    folders = {f"overlays/{p.name}" for p in (KUSTOMIZE / "overlays").iterdir()} | {"base"}
    assert folders == set(OVERLAYS), folders ^ set(OVERLAYS)


def build() -> None:
    for overlay in OVERLAYS:
        docs = built(overlay)
        ids = [(d["kind"], d["metadata"]["name"]) for d in docs]
        assert len(ids) == len(set(ids)), f"{overlay}: an object twice"


def components_build() -> None:
    """Each component on the base alone, also those that no overlay uses."""
    for component in sorted((KUSTOMIZE / "components").iterdir()):
        with tempfile.TemporaryDirectory(dir=tools.CACHE) as folder:
            up = os.path.relpath(KUSTOMIZE, os.path.realpath(folder))
            text = f"resources: [{up}/base]\ncomponents: [{up}/components/{component.name}]\n"
            (Path(folder) / "kustomization.yaml").write_text(text, encoding="utf-8")
            output([str(tools.get("kustomize")), "build", folder])


def namespaced(docs: list[Doc]) -> list[str]:
    cluster = {"Namespace", "ClusterRole", "ClusterRoleBinding"}
    return [f"{d['kind']} {d['metadata']['name']}: namespace" for d in docs
            if d["kind"] not in cluster and d["metadata"].get("namespace") != "observability"]


def namespaces() -> None:
    each(namespaced)


def secured(docs: list[Doc]) -> list[str]:
    wrong = []
    for owner, spec in pod_specs(docs):
        pod = spec.get("securityContext", {})
        if pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
            wrong.append(f"{owner}: seccompProfile")
        if owner not in ROOT_PODS and not (pod.get("runAsNonRoot") and pod.get("runAsUser")):
            wrong.append(f"{owner}: runs as root")
        if owner not in ROOT_PODS and any("hostPath" in v for v in spec.get("volumes", [])):
            wrong.append(f"{owner}: hostPath")
        if spec.get("automountServiceAccountToken") is None:
            wrong.append(f"{owner}: automountServiceAccountToken is left open")
        if spec.get("enableServiceLinks") is not False:
            wrong.append(f"{owner}: enableServiceLinks")
    for where, c, _ in containers(docs):
        context = c.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            wrong.append(f"{where}: allowPrivilegeEscalation")
        if context.get("readOnlyRootFilesystem") is not True:
            wrong.append(f"{where}: readOnlyRootFilesystem")
        if context.get("capabilities") != {"drop": ["ALL"]}:
            wrong.append(f"{where}: capabilities")
    return wrong


def security() -> None:
    each(secured)


def limited(docs: list[Doc]) -> list[str]:
    wrong = []
    for where, c, _ in containers(docs):
        requests, limits = c["resources"].get("requests", {}), c["resources"].get("limits", {})
        if not limits.get("memory") or requests.get("memory") != limits["memory"]:
            wrong.append(f"{where}: memory request {requests.get('memory')} is not the limit")
        if not requests.get("cpu"):
            wrong.append(f"{where}: no cpu request")
        if "cpu" in limits:
            wrong.append(f"{where}: a cpu limit outside components/strict-cpu")
        for env in c.get("env", []):
            if env["name"] == "GOMEMLIMIT":
                share = mebibytes(env["value"]) / mebibytes(limits["memory"])
                if not 0.78 <= share <= 0.82:
                    wrong.append(f"{where}: GOMEMLIMIT is {share:.2f} of the limit, not 0.8")
    return wrong


def resources() -> None:
    each(limited)


def probed(docs: list[Doc]) -> list[str]:
    wrong = []
    for where, c, _ in containers(docs):
        if where.split("/")[0] in NO_PROBES:
            continue
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            get = c.get(probe, {}).get("httpGet")
            if not get:
                wrong.append(f"{where}: no {probe}")
            elif get["port"] not in [p["name"] for p in c["ports"]]:
                wrong.append(f"{where}: {probe} asks port {get['port']}, which it has not")
        if "/skald/" in where or where.endswith("/loki"):
            if c["livenessProbe"]["httpGet"]["path"] == "/ready":
                wrong.append(f"{where}: livenessProbe on /ready")
    return wrong


def probes() -> None:
    each(probed)


def references(docs: list[Doc]) -> list[str]:
    """Services find pods by labels and ports, pods find what they mount, monitors find services."""
    wrong = []
    maps = {d["metadata"]["name"] for d in docs if d["kind"] == "ConfigMap"}
    accounts = {d["metadata"]["name"] for d in docs if d["kind"] == "ServiceAccount"}
    claims = {d["metadata"]["name"] for d in docs if d["kind"] == "PersistentVolumeClaim"}
    for d in docs:
        if d["kind"] == "StatefulSet":
            claims |= {f"{t['metadata']['name']}-{d['metadata']['name']}-0"
                       for t in d["spec"].get("volumeClaimTemplates", [])}
    for owner, spec in pod_specs(docs):
        for v in spec.get("volumes", []):
            if v.get("configMap", {}).get("name", next(iter(maps))) not in maps:
                wrong.append(f"{owner}: no ConfigMap {v['configMap']['name']}")
            claim = v.get("persistentVolumeClaim", {}).get("claimName")
            if claim and claim not in claims:
                wrong.append(f"{owner}: no claim {claim}")
        account = spec.get("serviceAccountName")
        if account and account not in accounts:
            wrong.append(f"{owner}: no ServiceAccount {account}")
    for d in docs:
        if d["kind"] == "Service":
            wrong += service_ports(docs, d)
    return wrong


def service_ports(docs: list[Doc], service: Doc) -> list[str]:
    wanted, name = service["spec"]["selector"], service["metadata"]["name"]
    for d in docs:
        template = (d.get("spec") or {}).get("template") or {}
        labels = template.get("metadata", {}).get("labels", {})
        if template and wanted.items() <= labels.items():
            ports = {p["name"] for c in template["spec"]["containers"] for p in c.get("ports", [])}
            return [f"Service {name}: no port {p['targetPort']}" for p in service["spec"]["ports"]
                    if p["targetPort"] not in ports]
    return [f"Service {name}: selects nothing"]


def references_hold() -> None:
    each(references)


def skald_accepts() -> None:
    """skald -verify-config with the overlay's file, arguments and variables."""
    for overlay in OVERLAYS:
        docs = built(overlay)
        text = named(docs, "ConfigMap", "loki")["data"]["config.yaml"]
        pod = named(docs, "StatefulSet", "loki")["spec"]["template"]["spec"]["containers"][0]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "config.yaml"
            file.write_text(text, encoding="utf-8")
            args = [a for a in pod["args"] if not a.startswith("-config.file=")]
            env = {e["name"]: e["value"] for e in pod.get("env", [])}
            output([str(SKALD), f"-config.file={file}", "-verify-config", *args], env=env)


def leaves(value: Any, path: str = "") -> dict[str, str]:
    if not isinstance(value, dict):
        return {path: json.dumps(value)}
    found = {}
    for k, v in value.items():
        found.update(leaves(v, f"{path}.{k}" if path else k))
    return found


def sd_card_differs_where_it_should() -> None:
    """The SD card's configuration is the base's but for what wears the card."""
    base = leaves(load((KUSTOMIZE / "base/skald/config.yaml").read_text(encoding="utf-8")))
    card = leaves(load((KUSTOMIZE / "components/skald-sd-card/config.yaml")
                       .read_text(encoding="utf-8")))
    differ = {k for k in base.keys() | card.keys() if base.get(k) != card.get(k)}
    assert differ == {"ingester.chunk_idle_period", "ingester.max_chunk_age",
                      "ingester.wal.checkpoint_duration", "limits_config.split_queries_by_interval",
                      "limits_config.max_query_parallelism"}, differ


def names_are_those_of_lokis_chart() -> None:
    """Claims, Services and paths of Loki's single binary: a volume is taken over as it is."""
    for overlay in OVERLAYS:
        docs = built(overlay)
        sts = named(docs, "StatefulSet", "loki")
        assert sts["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "storage"
        assert sts["spec"]["persistentVolumeClaimRetentionPolicy"] == {
            "whenDeleted": "Retain", "whenScaled": "Retain"}
        pod = sts["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsUser"] == 10001
        assert {"name": "storage", "mountPath": "/var/loki"} in pod["containers"][0]["volumeMounts"]
        ports = {d["metadata"]["name"]: d["spec"]["ports"][0]["port"] for d in docs
                 if d["kind"] == "Service"}
        assert (ports["loki"], ports["loki-headless"], ports["loki-gateway"]) == (3100, 3100, 80)


def no_secret_in_text() -> None:
    for overlay in OVERLAYS:
        for word in ("password:", "BEGIN PRIVATE", "token:"):
            assert word not in built_text(overlay), f"{overlay}: {word}"


if __name__ == "__main__":
    run([overlays_are_known, build, components_build, namespaces, security, resources, probes,
         references_hold, skald_accepts, sd_card_differs_where_it_should,
         names_are_those_of_lokis_chart, no_secret_in_text])
