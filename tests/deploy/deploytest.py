# SPDX-License-Identifier: Apache-2.0
"""What the tests of deploy/ share: skipping, commands, the cache, a tree of the repository."""
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from typing import Callable, Iterator, NoReturn, Optional, Sequence

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.environ.get("SKALD_DEPLOY_CACHE") or os.path.join(TOP, "build", "deploy-cache")
SKIPPED = 77

sys.path.insert(0, os.path.join(TOP, "tests", "integration"))


class Skip(Exception):
    """The test cannot be had here; the text says why."""


def need(*programs: str) -> None:
    """Raises Skip unless all of the programs are there."""
    missing = [p for p in programs if shutil.which(p) is None]
    if missing:
        raise Skip("not installed: " + ", ".join(missing))


def need_root() -> None:
    if os.geteuid() != 0:
        raise Skip("only root can make such a root directory")


def run(command: Sequence[str], check: bool = True, timeout: int = 1200, text: Optional[str] = None,
        env: Optional[dict[str, str]] = None, cwd: Optional[str] = None) -> str:
    """Output of a command, both streams; raises AssertionError with it when the command fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, input=text, env=env, cwd=cwd)
    if check and done.returncode != 0:
        raise AssertionError("%s: %d\n%s" % (" ".join(command), done.returncode,
                                             done.stdout[-3000:]))
    return done.stdout


def expect(good: bool, what: str) -> None:
    if not good:
        raise AssertionError(what)


def version() -> str:
    """The project's, of the top CMakeLists.txt."""
    with open(os.path.join(TOP, "CMakeLists.txt"), encoding="utf-8") as f:
        line = next(x for x in f if x.startswith("project("))
    return line.split("VERSION ")[1].split()[0]


def pins() -> dict[str, str]:
    """NAME=value of deploy/versions.env."""
    found = {}
    with open(os.path.join(TOP, "deploy", "versions.env"), encoding="utf-8") as f:
        for line in f:
            name, sign, value = line.split("#")[0].strip().partition("=")
            if sign:
                found[name] = value.strip('"')
    return found


@contextlib.contextmanager
def cache_lock(name: str) -> Iterator[str]:
    """The cache's folder, with this one of its parts for nobody else."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, name + ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield CACHE


def remote_failure(output: str) -> bool:
    """Does a command's output say that a network or registry failed, not the command itself?"""
    words = ("Temporary failure", "Could not resolve", "Unable to connect", "Connection refused",
             "no such host", "i/o timeout", "Connection timed out", "403 Forbidden",
             "Failed to fetch", "network is unreachable", "connection refused")
    return any(word in output for word in words)


def main(name: str, test: Callable[[], None]) -> NoReturn:
    """Runs one test; its end is the program's."""
    try:
        test()
    except Skip as e:
        print("SKIPPED %s: %s" % (name, e), flush=True)
        sys.exit(SKIPPED)
    print("ok %s" % name)
    sys.exit(0)
