#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile's build stage without Docker: its RUN lines in a clean Debian, for this machine's architecture and, on amd64, arm64. The program
that comes out is the one that build-oci.sh makes here, when that has run: what was built where does not show."""
import filecmp
import os
import re
import subprocess

from cleanroot import Root
from deploytest import TOP, expect, main, run


def run_lines() -> list[str]:
    """The commands of the first stage, continued lines joined."""
    with open(os.path.join(TOP, "deploy", "docker", "Dockerfile"), encoding="utf-8") as f:
        text = f.read().replace("\\\n", " ")
    stage = text.split("\nFROM ")[1]
    return [re.sub(r" +", " ", x[4:]) for x in stage.splitlines() if x.startswith("RUN ")]


def copy_tree(root: Root) -> None:
    """COPY . /src, of what git knows."""
    os.makedirs(root.file("/src"))
    names = subprocess.run(["git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True,
                           capture_output=True).stdout
    tar = subprocess.run(["tar", "-C", TOP, "--null", "--no-recursion", "-T", "-", "-cf", "-"], input=names, check=True,
                         capture_output=True).stdout
    subprocess.run(["tar", "-C", root.file("/src"), "-xf", "-"], input=tar, check=True)


def compare(root: Root, arch: str) -> None:
    """Point releases of the compiler may differ between the two systems; then it is said and no more."""
    here = os.path.join(TOP, "build", "oci", "root-" + arch, "skald")
    if os.path.exists(here):
        same = filecmp.cmp(here, root.file("/image/skald"), shallow=False)
        print("%s: %s the program of build-oci.sh" % (arch, "byte for byte" if same else "differs from"))


def build(arch: str) -> None:
    with Root() as root:
        copy_tree(root)
        lines = run_lines()
        expect(len(lines) == 2, "RUN lines: %s" % lines)
        for line in lines:
            root.run(["env", "TARGETARCH=" + arch, "sh", "-ec", line])
        expect(os.stat(root.file("/image/loki")).st_uid == 10001, "owner of /loki")
        said = run(["file", root.file("/image/skald")])
        expect("pie executable" in said, said)
        compare(root, arch)


def test() -> None:
    native = run(["dpkg", "--print-architecture"]).strip()
    for arch in ("amd64", "arm64") if native == "amd64" else (native,):
        build(arch)


if __name__ == "__main__":
    main("deploy.dockerfile", test)
