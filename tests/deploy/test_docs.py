#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/OPERATIONS.md and docs/MIGRATING.md: commands, flags, keys, metrics, variables, links and files in them are real.

What asks skald is run against a skald. What needs a cluster or systemd is read by the shell and counted as not run."""
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import urllib.request
from typing import Iterator

from deploytest import TOP, expect, main, run
from skaldtest import BIN, V13, Server

DOCS = ("docs/OPERATIONS.md", "docs/MIGRATING.md")
CTL = os.environ.get("SKALDCTL_BIN") or os.path.join(TOP, "build", "release", "skaldctl")
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.M | re.S)
OURS = re.compile(r"http://(?:localhost|127\.0\.0\.1):3100")
LOKIS = "/ingester/shutdown"  # asked of Loki, which skald has not
ELSEWHERE = ("deploy/charts", "deploy/kustomize")  # made apart from these pages


def read(path: str) -> str:
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def blocks(kind: str) -> Iterator[tuple[str, str]]:
    """Page and text, without the indentation, of all blocks of the kind; "1. ```sh" begins one too."""
    for path in DOCS:
        text = re.sub(r"^(\d\. )```", lambda m: " " * len(m[1]) + "```", read(path), flags=re.M)
        for indent, word, body in BLOCK.findall(text):
            if word == kind:
                yield path, "".join(line[len(indent):] or "\n" for line in body.splitlines(True))


def flags_of(command: list[str]) -> list[str]:
    return [w.split("=")[0] for w in command if re.match(r"--?[a-z]", w)]


def fetched(url: str, method: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
        return answer.read().decode()


def check_curl(line: str, words: list[str], server: Server) -> None:
    url = next(w for w in words if w.startswith("http://"))
    url = OURS.sub("http://127.0.0.1:%d" % server.port, url)
    body = fetched(url, words[words.index("-X") + 1] if "-X" in words else "GET")
    pattern = re.search(r"\| grep -E '([^']*)'", line)
    if pattern:
        for name in re.sub(r"\^(\w+)\(([^)]*)\)(\w*)", lambda m: " ".join(m[1] + x + m[3] for x in m[2].split("|")),
                           pattern[1]).lstrip("^").split():
            expect(name in body, "%s: no %s in the answer" % (line, name))


def check_command(path: str, line: str, server: Server) -> bool:
    """False: it cannot be run here."""
    words = shlex.split(line.split(" | grep")[0])
    if words[0] == "skald":
        known = run([BIN, "-help"])
        for flag in flags_of(words):
            expect("  %s" % flag in known, "%s: %s: skald has no such flag" % (path, flag))
    elif words[0] == "skaldctl":
        live = [OURS.sub("http://127.0.0.1:%d" % server.port, w) for w in words[1:]]
        run([CTL, *live], env=dict(os.environ, LOKI_ADDR="http://127.0.0.1:%d" % server.port))
    elif words[0].endswith("analyze-traces.py"):
        known = run([os.path.join(TOP, words[0]), "--help"])
        for flag in flags_of(words):
            expect(re.search(re.escape(flag) + r"\b", known) is not None, "%s: %s: no such flag" % (path, flag))
    elif words[0] == "curl" and LOKIS not in line:
        check_curl(line, words, server)
    else:
        return False
    return True


def check_commands(server: Server) -> None:
    ran = other = 0
    for path, body in blocks("sh"):
        done = subprocess.run(["bash", "-n"], input=body, text=True, capture_output=True, check=False)
        expect(done.returncode == 0, "%s: the shell does not read: %s%s" % (path, body, done.stderr))
        for line in body.splitlines():
            if check_command(path, line, server):
                ran += 1
            else:
                other += 1
    expect(ran >= 14, "only %d commands were found" % ran)
    print("%d commands run or checked, %d only read (cluster, systemd, copies)" % (ran, other))


def check_keys() -> None:
    """Each block of YAML beside what a file must have."""
    found = list(blocks("yaml"))
    expect(len(found) >= 2, "no YAML found")
    for path, body in found:
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "config.yaml")
            with open(name, "w", encoding="utf-8") as f:
                f.write("auth_enabled: false\ncommon: {path_prefix: %s}\nschema_config:\n  configs:\n%s%s" % (folder, V13, body))
            said = run([BIN, "-config.file=" + name, "-verify-config"], check=False)
            expect("config is valid" in said, "%s: %s%s" % (path, body, said))


def check_drop_in() -> None:
    if shutil.which("systemd-analyze") is None:
        print("SKIPPED deploy.docs, the drop-in: no systemd-analyze")
        return
    for path, body in blocks("ini"):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "skald.service.d"))
            for name, text in (("skald.service", read("deploy/systemd/skald.service")), ("skald.service.d/override.conf", body)):
                text = "".join(x for x in text.splitlines(True) if not x.startswith("Documentation="))
                with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                    f.write(text.replace("/usr/bin/skald", BIN))
            said = run(["systemd-analyze", "verify", os.path.join(folder, "skald.service")])
            expect(said.strip() == "", "%s: %s" % (path, said))


def check_names(server: Server) -> None:
    metrics, helped = fetched("http://127.0.0.1:%d/metrics" % server.port, "GET"), run([BIN, "-help"])
    dev = run([os.path.join(TOP, "dev"), "help"])
    sources = run(["grep", "-rhoE", "(loki|skald|process)_[a-z_]+", os.path.join(TOP, "src"), "--include=*.c"]).split()
    for path in DOCS:
        text = read(path)
        for name in set(re.findall(r"`((?:loki|skald|process)_\w+)", text)):
            # some come with their first event
            known = re.search(r"^(# \w+ )?%s\b" % name, metrics, re.M) is not None or name in sources
            expect(known, "%s: no metric %s" % (path, name))
        for name in set(re.findall(r"\bSKALD_[A-Z_]+\b", text)):
            expect("[%s]" % name in helped, "%s: skald knows no %s" % (path, name))
        for name in set(re.findall(r"\./dev (\w+)", text)):
            expect(re.search(r"^  %s\b" % name, dev, re.M) is not None, "%s: no ./dev %s" % (path, name))
        for name in set(re.findall(r"\]\(([^)#:]+)\)", text)):
            expect(os.path.exists(os.path.join(TOP, "docs", name)), "%s: a link to %s" % (path, name))
        for name in set(re.findall(r"`(deploy/[\w/.-]+)", text)):
            expect(name.startswith(ELSEWHERE) or os.path.exists(os.path.join(TOP, name)), "%s: no %s" % (path, name))


def check_reasons(server: Server) -> None:
    """The reasons of refusals that the page explains, as far as a push can make them."""
    page, now = read("docs/OPERATIONS.md"), time.time_ns()
    for when, line in ((now - 30 * 86400 * 10**9, "old"), (now + 3600 * 10**9, "new"), (now, "x" * 300_000)):
        expect(server.push([({"app": "bad"}, [(str(when), line)])])[0] == 400, "a bad line is taken")
    text = fetched("http://127.0.0.1:%d/metrics" % server.port, "GET")
    reasons = set(re.findall(r'^loki_discarded_samples_total\{.*?reason="(\w+)"', text, re.M))
    expect(len(reasons) == 3, "reasons: %s" % reasons)
    for reason in reasons:
        expect("`%s`" % reason in page, "docs/OPERATIONS.md does not say what %s is" % reason)


def check_manuals() -> None:
    """Flags of skald(8). The other pages are made of what the programs print: tests/integration/test_skaldctl_shell.py."""
    text = read("docs/man/skald.8").replace("\\-", "-")
    known = run([BIN, "-help"])
    flags = set(re.findall(r"(?<![\w-])(--?[a-z][a-z.-]+[a-z])\b", text))
    expect(len(flags) >= 5, "skald.8: flags: %s" % flags)
    for flag in flags:
        expect(flag in known, "skald.8: %s is not known" % flag)


def check_versions() -> None:
    """The package and the manual name the version of the project."""
    now = re.search(r"^project\(skald VERSION (\S+)", read("CMakeLists.txt"), re.M)
    assert now is not None
    changelog = read("deploy/debian/changelog").split("(")[1].split(")")[0]
    expect(changelog == now[1], "deploy/debian/changelog: %s, the project is %s" % (changelog, now[1]))
    expect('"skald %s"' % now[1] in read("docs/man/skald.8"), "docs/man/skald.8: another version")


def test() -> None:
    check_versions()
    check_manuals()
    check_keys()
    check_drop_in()
    with Server(limits="reject_old_samples: true") as server:
        now = time.time_ns()
        expect(server.push([({"service_name": "docs"}, [(str(now), "a line")])])[0] == 204, "push")
        check_reasons(server)
        check_names(server)
        check_commands(server)


if __name__ == "__main__":
    main("deploy.docs", test)
