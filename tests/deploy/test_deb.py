#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian package in a clean Debian: built, free of lintian's findings, installed, started as the unit starts it, upgraded over
data and an edited configuration, removed, purged, installed again over the data of before."""
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from cleanroot import Root
from deploytest import TOP, expect, main, need, run, version
from skaldtest import free_port

PACKAGES = os.path.join(TOP, "build", "package")


def unit_value(root: Root, key: str) -> str:
    with open(root.file("/lib/systemd/system/skald.service"), encoding="utf-8") as f:
        return next(x.split("=", 1)[1].strip() for x in f if x.startswith(key + "="))


class Service:
    """What systemd would do with the unit: its user, environment and command. Only the port is another."""

    def __init__(self, root: Root) -> None:
        self.root, self.port = root, free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.log = root.file("/skald.log")

    def __enter__(self) -> "Service":
        user = unit_value(self.root, "User")
        name, _, value = unit_value(self.root, "Environment").partition("=")
        self.root.run(unit_value(self.root, "ExecStartPre").split(), user)
        self.proc = self.root.popen([*unit_value(self.root, "ExecStart").split(),
                                     "-server.http-listen-port=%d" % self.port], user, {name: value}, self.log)
        end = time.monotonic() + 30
        while time.monotonic() < end and self.proc.poll() is None:
            if self.status("/ready") == 200:
                return self
            time.sleep(0.05)
        with open(self.log, encoding="utf-8") as f:
            raise AssertionError("skald is not ready:\n" + f.read()[-2000:])

    def __exit__(self, *exc: object) -> None:
        self.proc.send_signal(signal.SIGTERM)
        self.code = self.proc.wait(30)
        expect(self.code == 0, "skald ended with %d" % self.code)

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as e:
            return e.code
        except OSError:
            return 0

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(self.url + "/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(x.split()[1] for x in lines if x.startswith(name + " ")))

    def push(self, line: str) -> None:
        self.root.run(["skaldctl", "--addr=" + self.url, "push", "--label=job=deb"], "nobody", text=line + "\n")

    def lines(self) -> list[str]:
        said = self.root.run(["skaldctl", "--addr=" + self.url, "--quiet", "--output=raw", "query", "--forward",
                              '{job="deb"}'], "nobody")
        return said.splitlines()


def built(arch: str) -> str:
    need("dpkg-buildpackage", "dh", "lintian")
    print(run([os.path.join(TOP, "deploy", "build-deb.sh"), arch]).strip())
    path = os.path.join(PACKAGES, "skald_%s_%s.deb" % (version(), arch))
    expect(os.path.exists(path), "no package for this version of the project: " + path)
    return path


def newer(package: str, path: str) -> None:
    """The same package with a higher version and another configuration file."""
    with tempfile.TemporaryDirectory() as work:
        tree = os.path.join(work, "tree")
        run(["dpkg-deb", "-R", package, tree])
        control = os.path.join(tree, "DEBIAN", "control")
        with open(control, encoding="utf-8") as f:
            text = f.read().replace("Version: " + version(), "Version: %s+next" % version())
        with open(control, "w", encoding="utf-8") as f:
            f.write(text)
        with open(os.path.join(tree, "etc", "skald", "config.yaml"), "a", encoding="utf-8") as f:
            f.write("# of the new version\n")
        run(["dpkg-deb", "--root-owner-group", "-b", tree, path])


def install(root: Root, package: str, upgrade: bool = False) -> str:
    shutil.copy(package, root.file("/tmp/skald.deb"))
    if upgrade:
        return root.run(["dpkg", "--force-confold", "-i", "/tmp/skald.deb"])
    root.run(["apt-get", "-q", "update"])
    return root.run(["apt-get", "-q", "-y", "install", "--no-install-recommends", "/tmp/skald.deb"])


def check_installed(root: Root) -> None:
    expect(root.run(["stat", "-c", "%U:%G %a", "/var/lib/skald"]).strip() == "skald:skald 750", "owner of /var/lib/skald")
    expect(os.path.islink(root.file("/etc/systemd/system/multi-user.target.wants/skald.service")), "the unit is not enabled")
    said = root.run(["systemd-analyze", "verify", "/lib/systemd/system/skald.service"], check=False)
    bad = [x for x in said.splitlines() if "skald" in x and "man " not in x]
    expect(not bad, "systemd-analyze verify: %s" % bad)
    expect("not found" not in root.run(["ldd", "/usr/bin/skald", "/usr/bin/skaldctl"]), "a library is missing")
    expect(root.run(["skald", "-version"]).startswith("skald, version " + version()), "version of the program")
    conffiles = root.run(["dpkg-query", "-W", "-f", "${Conffiles}", "skald"])
    expect("/etc/skald/config.yaml" in conffiles and "/etc/default/skald" in conffiles, "conffiles: " + conffiles)


def check_port_test() -> None:
    """The postinst's look at port 3100, with a table of sockets of our own."""
    with open(os.path.join(TOP, "deploy", "debian", "skald.postinst"), encoding="utf-8") as f:
        text = f.read()
    begin = text.index("port_taken() {")
    function = text[begin:text.index("\n}\n", begin) + 3]
    row = "   0: 0100007F:%s 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0        0 1\n"
    with tempfile.TemporaryDirectory() as folder:
        for port, state, taken in (("0C1C", "0A", 0), ("0C1D", "0A", 1), ("0C1C", "01", 1)):
            with open(os.path.join(folder, "tcp"), "w", encoding="utf-8") as f:
                f.write(row % (port, state))
            script = function.replace("/proc/net/", folder + "/") + "port_taken\n"
            expect(subprocess.run(["sh", "-c", script], check=False).returncode == taken, "port_taken with %s %s" % (port, state))


def round_one(root: Root, package: str) -> None:
    with Service(root) as s:
        limit = unit_value(root, "Environment").partition("=")[2].rstrip("MB")
        expect(s.metric("skald_memory_budget_bytes") == int(limit) << 20, "the unit's memory limit does not act")
        s.push("before the upgrade")
        expect(s.lines() == ["before the upgrade"], "lines: %s" % s.lines())
    with open(root.file("/etc/skald/config.yaml"), "a", encoding="utf-8") as f:
        f.write("# edited by the administrator\n")
    with tempfile.TemporaryDirectory() as work:
        newer(package, os.path.join(work, "next.deb"))
        install(root, os.path.join(work, "next.deb"), upgrade=True)
    with open(root.file("/etc/skald/config.yaml"), encoding="utf-8") as f:
        expect(f.read().endswith("# edited by the administrator\n"), "the upgrade took the administrator's configuration")
    with Service(root) as s:
        s.push("after the upgrade")
        expect(s.lines() == ["before the upgrade", "after the upgrade"], "lines after the upgrade: %s" % s.lines())


def round_two(root: Root, package: str) -> None:
    root.run(["dpkg", "-r", "skald"])
    expect(not os.path.exists(root.file("/usr/bin/skald")), "removed, and the program is there")
    expect(os.path.exists(root.file("/etc/skald/config.yaml")), "a removal took the configuration")
    said = root.run(["dpkg", "--purge", "skald"])
    expect("rm -r /var/lib/skald" in said, "the purge does not say that data stays: " + said)
    expect(not os.path.exists(root.file("/etc/skald")) and not os.path.exists(root.file("/etc/default/skald")),
           "purged, and the configuration is there")
    left = glob.glob(root.file("/etc/systemd/system/*/skald.service")) + glob.glob(root.file("/lib/systemd/system/skald*"))
    expect(not left, "left over: %s" % left)
    expect(os.path.isdir(root.file("/var/lib/skald/wal")), "the purge took the logs")
    install(root, package)
    with Service(root) as s:
        expect(s.lines() == ["before the upgrade", "after the upgrade"], "lines after purge and installation: %s" % s.lines())


def check_lint(package: str) -> None:
    said = run(["lintian", "--allow-root", "--fail-on", "error,warning", package], check=False)
    expect(not said.strip(), "lintian: " + said)


def contents(package: str) -> list[str]:
    """Modes and names."""
    return sorted(" ".join((x.split()[0], x.split()[5])) for x in run(["dpkg-deb", "-c", package]).splitlines())


def check_arm64(native: str) -> None:
    """The cross-built package has the same files, and its programs run."""
    if not native.endswith("_amd64.deb") or not os.path.exists("/usr/lib/aarch64-linux-gnu/libcurl.so") or \
            shutil.which("qemu-aarch64-static") is None:
        print("SKIPPED deploy.deb, arm64: no arm64 -dev packages or no qemu here (./dev test deploy installs them)")
        return
    package = built("arm64")
    check_lint(package)
    expect(contents(package) == contents(native), "the packages of the two architectures differ in their files")
    with tempfile.TemporaryDirectory() as folder:
        run(["dpkg-deb", "-x", package, folder])
        for program in ("skald", "skaldctl"):
            said = run(["qemu-aarch64-static", os.path.join(folder, "usr", "bin", program), "--version"])
            expect("version" in said, "%s: %s" % (program, said))


def test() -> None:
    check_port_test()
    with Root() as root:
        package = built(run(["dpkg", "--print-architecture"]).strip())
        check_lint(package)
        check_arm64(package)
        install(root, package)
        check_installed(root)
        round_one(root, package)
        round_two(root, package)


if __name__ == "__main__":
    main("deploy.deb", test)
