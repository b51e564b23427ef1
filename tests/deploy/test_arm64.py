#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""skald and skaldctl for 64-bit Raspberry Pis: cross-built against Debian's arm64 libraries, run under qemu: push, query, a kill, a replay,
chunks. What arm64 writes is read by this machine's skald, and the other way."""
import os
import signal
import tempfile
import time

from deploytest import TOP, Skip, expect, main, need, run
import skaldtest  # deploytest knows where it is
from skaldtest import Server

BUILD = os.path.join(TOP, "build", "arm64")
QEMU = "qemu-aarch64-static"


def build() -> None:
    need("cmake", "ninja", "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-g++", QEMU)
    if not os.path.exists("/usr/lib/aarch64-linux-gnu/libcurl.so"):
        raise Skip("no arm64 -dev packages (dpkg --add-architecture arm64; libcurl4-openssl-dev:arm64 and the others)")
    run(["cmake", "--preset", "arm64", "-S", "."], cwd=TOP)
    run(["cmake", "--build", "--preset", "arm64", "--target", "skald", "skaldctl", "-j", str(os.cpu_count() or 1)], cwd=TOP)
    said = run(["file", os.path.join(BUILD, "skald"), os.path.join(BUILD, "skaldctl")])
    expect(said.count("ARM aarch64") == 2, said)


def emulated(program: str) -> list[str]:
    return [QEMU, os.path.join(BUILD, program)]


def ctl(server: Server, *words: str, text: str = "") -> str:
    return run([*emulated("skaldctl"), "--addr=http://127.0.0.1:%d" % server.port, "--quiet", *words], text=text)


def start(server: Server, arm: bool) -> None:
    """On the same folder, as either of the two."""
    native = skaldtest.BIN
    try:
        if arm:
            skaldtest.BIN = emulated("skald")[1]
        server.start(wrap=[QEMU] if arm else [])
    finally:
        skaldtest.BIN = native


def lines(server: Server, begin: int) -> list[str]:
    return sorted(server.lines('{job="arm64"}', begin, time.time_ns() + 1))


def test() -> None:
    build()
    expect(run([*emulated("skald"), "-version"]).startswith("skald, version"), "-version")
    begin, want = time.time_ns(), []
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder)
        try:
            for turn, (arm, how) in enumerate([(True, signal.SIGKILL), (False, signal.SIGKILL), (True, signal.SIGTERM),
                                               (False, signal.SIGTERM), (True, signal.SIGTERM)]):
                start(server, arm)
                expect(lines(server, begin) == sorted(want), "turn %d: what the one wrote the other does not read" % turn)
                fresh = ["turn %d line %d é %s" % (turn, i, "x" * i) for i in range(200)]
                ctl(server, "push", "--label=job=arm64", text="\n".join(fresh) + "\n")
                want += fresh
                expect(lines(server, begin) == sorted(want), "turn %d: lines" % turn)
                if turn >= 2:
                    server.flush()
                said = ctl(server, "--output=raw", "query", "--limit=5000", '{job="arm64"} |~ "turn %d line [0-9]+ "' % turn)
                expect(sorted(said.splitlines()) == sorted(fresh), "turn %d: skaldctl query" % turn)
                server.stop(how)
        finally:
            server.close()


if __name__ == "__main__":
    main("deploy.arm64", test)
