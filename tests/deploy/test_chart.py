#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The chart lints and renders for each values file of its ci/, skald takes the configuration, and the
objects keep the same rules as the plain manifests."""
from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

import schema
import test_kustomize
import tools
from common import CHART, KUSTOMIZE, SKALD, Doc, load, load_all, named, output, run

FILES = sorted((CHART / "ci").glob("*-values.yaml"))


def helm(*words: str) -> list[str]:
    return [str(tools.get("helm")), *words]


@functools.cache
def rendered(values: Path, *more: str) -> list[Doc]:
    return load_all(output(helm("template", "loki", str(CHART), "-n", "observability",
                                "-f", str(values), *more)))


def config(docs: list[Doc]) -> str:
    return str(named(docs, "ConfigMap", "loki")["data"]["config.yaml"])


def lint() -> None:
    assert len(FILES) >= 5
    for values in FILES:
        output(helm("lint", "--strict", str(CHART), "-f", str(values)))


def objects() -> None:
    """Schemas, security, memory, probes, references: as for the overlays."""
    wrong = []
    for values in FILES:
        docs = rendered(values)
        for check in (test_kustomize.secured, test_kustomize.limited, test_kustomize.references):
            wrong += [f"{values.name}: {c}" for c in check(docs) if "account" not in c.lower()]
        loki = [d for d in docs if d["kind"] == "StatefulSet"]
        wrong += [f"{values.name}: {c}" for c in test_kustomize.probed(loki)]
        wrong += [f"{values.name}: {c}" for d in docs for c in schema.check(d)]
    assert not wrong, "\n".join(wrong)


def skald_accepts() -> None:
    for values in FILES:
        docs = rendered(values)
        with tempfile.TemporaryDirectory() as folder:
            file, runtime = Path(folder) / "config.yaml", Path(folder) / "runtime-config.yaml"
            runtime.write_text(named(docs, "ConfigMap", "loki-runtime")["data"][runtime.name],
                               encoding="utf-8")
            text = config(docs).replace("/etc/loki/runtime-config", folder)
            file.write_text(text, encoding="utf-8")
            output([str(SKALD), f"-config.file={file}", "-config.expand-env=true", "-verify-config"])


def lokis_snippet_is_the_base() -> None:
    """The values of Loki's documentation give the very configuration of the plain manifests."""
    have = load(config(rendered(CHART / "ci" / "loki-snippet-values.yaml")))
    assert have == load((KUSTOMIZE / "base/skald/config.yaml").read_text(encoding="utf-8"))


def takes_over_lokis_volume() -> None:
    docs = rendered(CHART / "ci" / "loki-snippet-values.yaml")
    sts = named(docs, "StatefulSet", "loki")
    assert sts["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "storage"
    assert sts["spec"]["selector"]["matchLabels"] == {
        "app.kubernetes.io/name": "loki", "app.kubernetes.io/instance": "loki",
        "app.kubernetes.io/component": "single-binary"}, "helm upgrade of Loki's release would fail"
    assert sts["spec"]["serviceName"] == "loki-headless"
    assert sts["spec"]["podManagementPolicy"] == "Parallel"


def values_have_effect() -> None:
    docs = rendered(CHART / "ci" / "tenants-values.yaml")
    merged = load(config(docs))
    assert merged["auth_enabled"] is True
    assert merged["limits_config"]["reject_old_samples"] is False
    assert merged["limits_config"]["retention_period"] == "168h"
    assert merged["ingester"]["chunk_encoding"] == "snappy"
    sts = named(docs, "StatefulSet", "loki")["spec"]
    assert sts["template"]["spec"]["containers"][0]["image"].startswith("registry.example:5000/")
    claim = sts["volumeClaimTemplates"][0]["spec"]
    assert claim["storageClassName"] == "local-path"
    assert claim["resources"]["requests"]["storage"] == "50Gi"
    assert not [d for d in docs if d["metadata"]["name"] == "loki-gateway"]
    other = load_all(output(helm("template", "logs", str(CHART), "-n", "elsewhere", "-f",
                                 str(CHART / "ci" / "pi-values.yaml"))))
    rule = named(other, "PrometheusRule", "logs-loki")
    text = str(rule)
    assert 'namespace="elsewhere"' in text and 'namespace="observability"' not in text
    assert 'service="logs-loki"' in text


def changed_configuration_restarts() -> None:
    sums = {named(rendered(v), "StatefulSet", "loki")["spec"]["template"]["metadata"]["annotations"][
        "checksum/config"] for v in FILES}
    assert len(sums) == len(FILES), "two configurations have one checksum"


def refusals() -> None:
    """What cannot be honoured is refused with words."""
    for setting, word in (("deploymentMode=Distributed", "one process"),
                          ("singleBinary.replicas=2", "does not replicate"),
                          ("loki.storage.type=s3", "file system"),
                          ("loki.image.repository=grafana/loki", "Loki's image"),
                          ("loki.image.tag=latest", "tag"),
                          ("loki.auth_enabled=maybe", "auth_enabled"),
                          ("singleBinary.persistence.size=10Gib", "size"),
                          ("loki.server.http_listen_port=80", "http_listen_port")):
        done = subprocess.run(helm("template", "loki", str(CHART), "--set", setting),
                              capture_output=True, text=True, check=False)
        assert done.returncode != 0 and word in done.stderr, f"{setting}: {done.stderr[-300:]}"


if __name__ == "__main__":
    run([lint, objects, skald_accepts, lokis_snippet_is_the_base, takes_over_lokis_volume,
         values_have_effect, changed_configuration_restarts, refusals])
