#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Versions stand in deploy/versions.env; no other tags, no :latest, no registry's host, SPDX lines.

Standard library only."""
from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import tools
from common import CHART, DEPLOY, run

# Of the values files that show another registry.
EXAMPLE = "registry.example:5000"
IMAGE = re.compile(r"^\s*(?:- )?image:[ \t]*(\S+)", re.M)
# Ollama calls a model without a tag so; and another test that looks for it.
KNOW_LATEST = ("analyze-traces.py", "test_oci.py")
BASE = re.compile(r"^ARG DEBIAN_IMAGE=(\S+)", re.M)
PAIR = re.compile(r"repository:\s*(\S+)\n\s*tag:\s*(\S+)")


def texts() -> Iterator[tuple[Path, str]]:
    """Every file of deploy/ and of its tests."""
    for top in (DEPLOY, Path(__file__).parent):
        for path in sorted(top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path, path.read_text(encoding="utf-8")


def pinned() -> set[str]:
    pins = tools.pins()
    return {f"{v}:{pins[k.removesuffix('_IMAGE') + '_VERSION']}" for k, v in pins.items()
            if k.endswith("_IMAGE")}


def images_are_pinned() -> None:
    known, used = pinned(), set()
    for path, text in texts():
        if path.name == "Dockerfile":
            used.update(BASE.findall(text))
        if path.suffix != ".yaml" or "templates" in path.parts:
            continue
        found = IMAGE.findall(text) + [":".join(p) for p in PAIR.findall(text)]
        for image in found:
            assert image in known, f"{path}: {image} is not in versions.env"
            used.add(image)
    unused = known - used - {i for i in known if "opentelemetry-collector-k8s" in i}
    assert not unused, f"in versions.env, but used nowhere: {unused}"


def nothing_floats() -> None:
    for path, text in texts():
        if path != Path(__file__).resolve():
            assert ":latest" not in text or path.name in KNOW_LATEST, f"{path}: :latest"
            for image in IMAGE.findall(text) if path.suffix == ".yaml" else []:
                host = image.split("/")[0] if "/" in image else ""
                assert "." not in host or host == EXAMPLE, f"{path}: names the registry {host}"


def templates_take_values() -> None:
    for path in (CHART / "templates").rglob("*.yaml"):
        for image in IMAGE.findall(path.read_text(encoding="utf-8")):
            assert image.startswith("{{"), f"{path}: {image}"


def generated_files() -> None:
    done = subprocess.run([sys.executable, str(DEPLOY / "generate.py"), "--check"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def spdx() -> None:
    """Where the format allows a comment."""
    for path, text in texts():
        if "debian" in path.parts and path.name in ("changelog", "format", "skald.docs",
                                                    "skald.manpages", "control", "copyright"):
            continue
        if path.suffix in (".json",) or path.name in ("rules.yaml",) and "files" in path.parts:
            continue
        head = "\n".join(text.splitlines()[:3])
        assert "SPDX-License-Identifier: Apache-2.0" in head, f"{path}: no SPDX line"


def version_is_skalds() -> None:
    cmake = (tools.TOP / "CMakeLists.txt").read_text(encoding="utf-8")
    found = re.search(r"project\(skald VERSION ([0-9.]+)", cmake)
    assert found and found[1] == tools.pins()["SKALD_VERSION"]


if __name__ == "__main__":
    run([images_are_pinned, nothing_floats, templates_take_values, generated_files, spdx,
         version_is_skalds])
