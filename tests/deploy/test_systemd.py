#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The systemd unit: it is sound, its exposure stays below 1.5, and skald makes no system call that its filter refuses."""
import os
import re
import signal
import subprocess
import tempfile
import time

from deploytest import TOP, Skip, expect, main, need, run
from skaldtest import BIN, Server

UNIT = os.path.join(TOP, "deploy", "systemd", "skald.service")
EXPOSURE_MAX = 15  # tenths, not reached


def unit_values(key: str) -> list[str]:
    with open(UNIT, encoding="utf-8") as f:
        return [line.split("=", 1)[1].strip() for line in f if line.startswith(key + "=")]


def check_sound() -> None:
    """systemd's own check, with the built program where the unit has the installed one, and no manual page."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "skald.service")
        with open(UNIT, encoding="utf-8") as f:
            text = f.read().replace("/usr/bin/skald", BIN)
        with open(path, "w", encoding="utf-8") as f:
            f.write("".join(x for x in text.splitlines(True) if not x.startswith("Documentation=")))
        said = run(["systemd-analyze", "verify", path])
        expect(said.strip() == "", "systemd-analyze verify: " + said)


def check_exposure() -> None:
    said = run(["systemd-analyze", "security", "--offline=true", UNIT])
    found = re.search(r"Overall exposure level for skald.service: ([0-9.]+)", said)
    expect(found is not None, "no exposure level: " + said[-500:])
    level = float(found[1])
    print("exposure %.1f" % level)
    expect(round(level * 10) < EXPOSURE_MAX, "exposure %.1f" % level)


def filter_set(name: str) -> set[str]:
    """The calls of one of systemd's sets, and of the sets in it."""
    calls: set[str] = set()
    for line in run(["systemd-analyze", "syscall-filter", name]).splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            calls |= filter_set(word)
        elif word and not word.startswith("#"):
            calls.add(word)
    return calls


def allowed_calls() -> set[str]:
    allowed = filter_set("@default")
    for value in unit_values("SystemCallFilter"):
        for name in value.lstrip("~").split():
            if value.startswith("~"):
                allowed -= filter_set(name)
            else:
                allowed |= filter_set(name)
    return allowed


def traced_calls(trace: str) -> set[str]:
    with open(trace, encoding="utf-8", errors="replace") as f:
        return {m[1] for m in (re.match(r"(?:\d+ +)?(\w+)\(", line) for line in f) if m}


def exercise(server: Server) -> None:
    now = time.time_ns()
    status, said = server.push([({"job": "unit"}, [(str(now + i), "line %d" % i) for i in range(200)])])
    expect(status == 204, "push: %d %s" % (status, said))
    expect(len(server.lines('{job="unit"} |~ "1.*"', now, now + 10**9)) > 0, "the query finds nothing")
    server.get("/metrics")
    server.flush()
    server.proc.send_signal(signal.SIGHUP)
    time.sleep(0.2)


def check_calls() -> None:
    need("strace")
    with tempfile.NamedTemporaryFile(suffix=".strace") as trace:
        server = Server()
        try:
            for _ in range(2):  # the second start replays a log
                server.start(wrap=["strace", "-f", "-qq", "-o", trace.name])
                exercise(server)
                # strace passes no signal on; the traced process is its child
                child = run(["ps", "-o", "pid=", "--ppid", str(server.proc.pid)]).split()[0]
                os.kill(int(child), signal.SIGTERM)
                server.proc.wait(30)
                expect(server.proc.returncode == 0, "skald ended with %s" % server.proc.returncode)
                server.proc = None
                made = traced_calls(trace.name)
                # strace itself runs the program
                bad = made - allowed_calls() - {"execve"}
                expect(len(made) > 20, "only %d calls seen" % len(made))
                expect(not bad, "refused by the unit: " + " ".join(sorted(bad)))
        finally:
            server.close()
        print("%d different system calls, all allowed" % len(made))


def test() -> None:
    need("systemd-analyze")
    check_sound()
    check_exposure()
    try:
        check_calls()
    except Skip as e:
        print("SKIPPED deploy.systemd, the system calls: %s" % e)
    except subprocess.TimeoutExpired:
        raise AssertionError("skald did not end under strace")


if __name__ == "__main__":
    main("deploy.systemd", test)
