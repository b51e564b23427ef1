# SPDX-License-Identifier: Apache-2.0
"""What the tests of deploy/ share: built manifests, containers in them, a runner that knows SKIPPED."""
from __future__ import annotations

import functools
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tools
from tools import CACHE, SKIPPED, TOP, Unavailable

sys.path.insert(0, str(TOP / "tests" / "integration"))

Doc = dict[str, Any]
DEPLOY = TOP / "deploy"
KUSTOMIZE = DEPLOY / "kustomize"
CHART = DEPLOY / "charts" / "skald"
OVERLAYS = ("base", "overlays/pi", "overlays/pi-lite", "overlays/single-node", "overlays/ssd")
SKALD = Path(os.environ.get("SKALD_BIN") or TOP / "build" / "release" / "skald")
PYYAML = "PyYAML==6.0.2"


@functools.cache
def yaml_module() -> Any:
    """PyYAML: the system's, else from the registry that pip is configured for."""
    try:
        return importlib.import_module("yaml")
    except ModuleNotFoundError:
        pass
    folder = CACHE / "python"
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), PYYAML]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise Unavailable("no PyYAML here, and pip failed: " + " ".join(done.stderr.split())[-200:])
    sys.path.insert(0, str(folder))
    return importlib.import_module("yaml")


@functools.cache
def strict_loader() -> Any:
    """A YAML loader that refuses a key given twice, as Kubernetes and skald do."""
    yaml = yaml_module()

    class Strict(yaml.SafeLoader):  # type: ignore[misc, name-defined]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [k.value for k, _ in node.value]
            twice = {k for k in keys if keys.count(k) > 1}
            if twice:
                raise AssertionError(f"{node.start_mark}: given twice: {twice}")
            return super().construct_mapping(node, deep)

    # A date stays the text that it is, and so does a lone =.
    Strict.yaml_implicit_resolvers = {
        first: [r for r in known if not r[0].endswith((":timestamp", ":value"))]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()}
    return Strict


def load_all(text: str) -> list[Doc]:
    return [d for d in yaml_module().load_all(text, Loader=strict_loader()) if d]


def load(text: str) -> Any:
    return yaml_module().load(text, Loader=strict_loader())


def output(command: list[str], **kw: Any) -> str:
    """The stdout of a program that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **kw)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


@functools.cache
def built_text(folder: str) -> str:
    return output([str(tools.get("kustomize")), "build", str(KUSTOMIZE / folder)])


def built(folder: str) -> list[Doc]:
    return load_all(built_text(folder))


def named(docs: list[Doc], kind: str, name: str) -> Doc:
    """The object; a generated ConfigMap is found without its hash."""
    for d in docs:
        have = d["metadata"]["name"]
        if d["kind"] == kind and (have == name or have.rpartition("-")[0] == name):
            return d
    raise AssertionError(f"no {kind} {name}")


def pod_specs(docs: list[Doc]) -> Iterator[tuple[str, Doc]]:
    """(kind/name, pod spec) of everything that makes pods."""
    for d in docs:
        spec = d.get("spec") or {}
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if d["kind"] == "Pod":
            yield f"Pod/{d['metadata']['name']}", spec
        elif "template" in spec:
            yield f"{d['kind']}/{d['metadata']['name']}", spec["template"]["spec"]


def containers(docs: list[Doc]) -> Iterator[tuple[str, Doc, Doc]]:
    """(kind/name/container, container, pod spec)."""
    for owner, spec in pod_specs(docs):
        for c in spec.get("initContainers", []) + spec["containers"]:
            yield f"{owner}/{c['name']}", c, spec


def mebibytes(quantity: str) -> float:
    units = {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024, "KiB": 1 / 1024, "MiB": 1, "GiB": 1024}
    for unit in sorted(units, key=len, reverse=True):
        if quantity.endswith(unit):
            return float(quantity.removesuffix(unit)) * units[unit]
    return float(quantity) / 2**20


def run(tests: list[Callable[[], None]]) -> None:
    """Runs tests (arguments choose by name), a line each. Exit: 1 one failed, 77 all were skipped."""
    chosen = [t for t in tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    failed = skipped = 0
    for t in chosen:
        begin = time.monotonic()
        try:
            t()
            print(f"ok    {t.__name__:50} {time.monotonic() - begin:.1f}s", flush=True)
        except Unavailable as e:
            skipped += 1
            print(f"SKIPPED {Path(sys.argv[0]).stem}.{t.__name__}: {e}", flush=True)
        except Exception as e:  # a test that breaks is a test that failed
            failed += 1
            print(f"FAIL  {t.__name__}: {type(e).__name__}: {e}", flush=True)
    if failed:
        sys.exit(1)
    sys.exit(SKIPPED if skipped == len(chosen) else 0)
