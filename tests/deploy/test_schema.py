#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All manifests against the schemas of the pinned Kubernetes and Prometheus operator, misspelt keys too."""
from __future__ import annotations

import copy

import schema
from common import OVERLAYS, built, named, run


def overlays() -> None:
    wrong = [f"{o}: {c}" for o in OVERLAYS for d in built(o) for c in schema.check(d)]
    assert not wrong, "\n".join(wrong)


def mistakes_are_found() -> None:
    """The check itself: each of these mistakes must be met."""
    good = named(built("base"), "StatefulSet", "loki")
    assert not schema.check(good)
    for path, value in ((("spec", "template", "spec", "contaners"), []),
                        (("spec", "replicas"), "one"),
                        (("spec", "template", "spec", "containers", 0, "imagePullpolicy"), "Always"),
                        (("spec", "template", "spec", "containers", 0, "name"), None),
                        (("spec", "podManagementPolicy"), ["Parallel"]),
                        (("kind",), "StatefulSets")):
        bad = copy.deepcopy(good)
        place = bad
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        assert schema.check(bad), f"{path} = {value!r} was not found"
    monitor = copy.deepcopy(named(built("overlays/pi"), "ServiceMonitor", "skald"))
    assert not schema.check(monitor)
    monitor["spec"]["endpoints"][0]["intervall"] = "1m"
    assert schema.check(monitor)


if __name__ == "__main__":
    run([mistakes_are_found, overlays])
