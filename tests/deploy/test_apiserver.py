#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver accepts every overlay, component and rendering of the chart, with strict keys;
overlays can be changed for one another; pods are "restricted"; the collector may what it needs."""
from __future__ import annotations

import json
import os
import subprocess

import test_chart
from cluster import Cluster
from common import CHART, OVERLAYS, built, built_text, output, pod_specs, run
from test_kustomize import ROOT_PODS

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {%s}}\n"
CLUSTER: list[Cluster] = []


def cluster() -> Cluster:
    """One for all tests of this file."""
    if not CLUSTER:
        c = Cluster().__enter__()
        CLUSTER.append(c)
        c.install_crds()
        c.apply(NAMESPACE % ("observability", ""))
    return CLUSTER[0]


def overlays() -> None:
    for overlay in OVERLAYS:
        said = cluster().apply(built_text(overlay), "--dry-run=server")
        assert "Warning" not in said, f"{overlay}: {said}"


def mistakes_are_refused() -> None:
    """The server is strict: otherwise the test above says nothing."""
    text = built_text("overlays/pi")
    for good, bad in (("readOnlyRootFilesystem", "readonlyRootFilesystem"),
                      ("metricRelabelings", "x"), ("podMetricsEndpoints", "podMetricEndpoints"),
                      ("whenScaled: Retain", "whenScaled: Keep"), ("memory: 256Mi", "memory: 256MB")):
        if good in text:
            done = cluster().run(["apply", "--server-side", "--validate=strict", "--dry-run=server",
                                  "-f", "-"], text.replace(good, bad))
            assert done.returncode != 0, f"{bad} was accepted"


def overlays_for_one_another() -> None:
    """Applied over what is there: no field that cannot change differs."""
    c = cluster()
    for overlay in (*OVERLAYS, "overlays/pi"):
        c.apply(built_text(overlay))
    have = json.loads(c.kubectl("get", "sts", "loki", "-n", "observability", "-o", "json"))
    assert have["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == "1s"


def pods_are_restricted() -> None:
    """The strictest Pod Security level takes all but the collector."""
    c = cluster()
    c.apply(NAMESPACE % ("strict", "pod-security.kubernetes.io/enforce: restricted"))
    seen = set()
    for overlay in OVERLAYS:
        for owner, spec in pod_specs(built(overlay)):
            seen.add(owner)
            pod = {"apiVersion": "v1", "kind": "Pod", "spec": spec,
                   "metadata": {"name": "p", "namespace": "strict"}}
            done = c.run(["create", "--dry-run=server", "-f", "-"], json.dumps(pod))
            refused = "violates PodSecurity" in done.stderr
            assert refused == (owner in ROOT_PODS), f"{overlay} {owner}: {done.stderr}"
    assert len(seen) >= 5, seen


def collector_may() -> None:
    """What its role is for, and no more."""
    c = cluster()
    c.apply(built_text("overlays/single-node"))
    who = "--as=system:serviceaccount:observability:otel-collector"
    for verb, what, may in (("list", "pods", True), ("watch", "pods", True),
                            ("watch", "namespaces", True), ("list", "replicasets.apps", True),
                            ("get", "nodes/stats", True), ("get", "secrets", False),
                            ("list", "configmaps", False), ("delete", "pods", False),
                            ("create", "pods/exec", False), ("get", "nodes/log", False)):
        said = c.run(["auth", "can-i", verb, *what.split("/")[:1], who, "-A",
                      *[f"--subresource={s}" for s in what.split("/")[1:]]]).stdout
        assert said.strip() == ("yes" if may else "no"), f"{verb} {what}: {said}"


def chart() -> None:
    for values in test_chart.FILES:
        text = output(test_chart.helm("template", "loki", str(CHART), "-n", "observability", "-f",
                                      str(values)))
        # Under another name: the overlays' loki has another selector, which cannot change.
        said = cluster().apply(text.replace("name: loki\n", "name: other\n"), "--dry-run=server")
        assert "Warning" not in said, f"{values.name}: {said}"


def chart_installs_with_notes() -> None:
    """helm install against the server; values without effect are named."""
    c = cluster()
    c.apply(NAMESPACE % ("helm", ""))
    env = dict(os.environ, KUBECONFIG=str(c.kubeconfig), HOME=str(c.folder))
    said = output(test_chart.helm("install", "loki", str(CHART), "-n", "helm", "-f",
                                  str(CHART / "ci" / "old-loki-values.yaml")), env=env)
    for word in ("chunksCache", "lokiCanary", "sidecar", "enableStatefulSetAutoDeletePVC",
                 "persistence is off", "http://loki.helm:3100"):
        assert word in said, f"{word} is not in the notes: {said}"
    said = subprocess.run(test_chart.helm("upgrade", "loki", str(CHART), "-n", "helm", "-f",
                                          str(CHART / "ci" / "old-loki-values.yaml"), "--set",
                                          "lokiCanary.enabled=false"),
                          env=env, capture_output=True, text=True, check=True).stdout
    assert "lokiCanary" not in said


if __name__ == "__main__":
    try:
        run([overlays, mistakes_are_refused, overlays_for_one_another, pods_are_restricted,
             collector_may, chart, chart_installs_with_notes])
    finally:
        for started in CLUSTER:
            started.close()
