#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The container image: built without an engine, unpacked by umoci, and run as Kubernetes runs it: no privileges, read-only root, uid 10001.
The other architecture runs under qemu."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Optional

from deploytest import TOP, Skip, expect, main, need, need_root, run, version
from skaldtest import Server

LAYOUT = os.path.join(TOP, "build", "oci", "layout")
SIZE_MAX = 14 << 20  # of one architecture, unpacked
UID = 10001
QEMU = {"arm64": "/usr/bin/qemu-aarch64-static"}


class Image(Server):
    """skald of an unpacked image in place of the built one. Only /loki and /tmp can be written."""

    def __init__(self, root: str, arch: str, native: bool) -> None:
        super().__init__()
        self.root, self.native, self.arch = root, native, arch
        self.data = os.path.join(self.folder, "data")
        os.makedirs(self.data, 0o750)
        os.chown(self.data, UID, UID)
        os.chmod(self.folder, 0o755)

    def wrapped(self, *command: str) -> list[str]:
        wrap = ["setpriv", "--reuid=%d" % UID, "--regid=%d" % UID, "--clear-groups", "--no-new-privs", "bwrap",
                "--ro-bind", self.root, "/", "--bind", self.data, "/loki", "--tmpfs", "/tmp", "--proc", "/proc",
                "--dev", "/dev", "--unshare-all", "--share-net", "--die-with-parent", "--clearenv"]
        if not self.native:
            wrap += ["--ro-bind", QEMU[self.arch], "/tmp/qemu", "/tmp/qemu"]
        return [*wrap, *command]

    def start(self, ready: bool = True, timeout: int = 60, wrap: tuple[str, ...] = ()) -> "Image":
        flags = ["-config.file=/etc/loki/local-config.yaml", "-target=all",
                 "-server.http-listen-address=127.0.0.1", "-server.http-listen-port=%d" % self.port]
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.proc = subprocess.Popen(self.wrapped("/skald", *flags), stdout=log, stderr=log)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            expect(self.proc.poll() is None, "skald ended:\n" + self.log()[-2000:])
            if self.health() == 0:
                return self
            time.sleep(0.1)
        raise AssertionError("not healthy:\n" + self.log()[-2000:])

    def health(self) -> int:
        return subprocess.run(self.wrapped("/health", str(self.port)), check=False, timeout=30).returncode

    def end(self, sig: signal.Signals) -> None:
        """bwrap does not pass signals on; skald is the newest process below it."""
        pid = self.proc.pid
        while True:
            below = run(["ps", "-o", "pid=", "--ppid", str(pid)], check=False).split()
            if not below:
                break
            pid = int(below[-1])
        os.kill(pid, sig)
        self.proc.wait(60)
        self.proc = None


def archs() -> list[str]:
    native = run(["dpkg", "--print-architecture"]).strip()
    if native == "amd64" and shutil.which("aarch64-linux-gnu-gcc") and \
            os.path.exists("/usr/lib/aarch64-linux-gnu/libuv_a.a"):
        return ["amd64", "arm64"]
    print("SKIPPED deploy.image, arm64: no cross compiler or no arm64 -dev packages here")
    return [native]


def unpacked(arch: str, work: str) -> str:
    """The root directory of one architecture, through programs that are not ours; checks its configuration."""
    single = "oci:%s/single:%s" % (work, arch)
    run(["skopeo", "--override-arch", arch, "copy", "-q", "--insecure-policy", "oci:%s:%s" % (LAYOUT, version()), single])
    found = json.loads(run(["skopeo", "inspect", "--config", single]))
    config = found["config"]
    expect(found["architecture"] == arch and config["User"] == "10001:10001", "configuration: %s" % found)
    expect(config["Entrypoint"] == ["/skald"] and config["ExposedPorts"] == {"3100/tcp": {}}, "configuration: %s" % found)
    bundle = os.path.join(work, arch)
    run(["umoci", "unpack", "--image", "%s/single:%s" % (work, arch), bundle])
    os.chmod(bundle, 0o755)
    return os.path.join(bundle, "rootfs")


def check_contents(root: str, arch: str) -> None:
    total = 0
    for folder, _, files in os.walk(root):
        total += sum(os.lstat(os.path.join(folder, n)).st_size for n in files)
    print("%d bytes in files" % total)
    expect(total <= SIZE_MAX, "the image takes %d bytes" % total)
    said = run(["file", os.path.join(root, "skald")])
    expect("pie executable" in said and ", stripped" in said, said)
    expect(sorted(n.split(".so")[0] for folder, _, names in os.walk(root) for n in names if ".so" in n)
           == ["ld-linux-aarch64" if arch == "arm64" else "ld-linux-x86-64", "libc", "libm", "libwslay"], "shared libraries of the image")
    expect(os.stat(os.path.join(root, "loki")).st_uid == UID, "owner of /loki")
    expect(os.readlink(os.path.join(root, "usr/bin/loki")) == "/skald", "/usr/bin/loki")
    for library in ("libuv1", "libre2", "libc6", "libzstd"):
        expect(os.path.exists(os.path.join(root, "usr/share/licenses", library)), "no licence of " + library)


def check_run(root: str, arch: str, native: bool) -> None:
    server = Image(root, arch, native)
    try:
        expect(server.health() != 0, "healthy before the start")
        server.start()
        now = time.time_ns()
        status, said = server.push([({"job": "image"}, [(str(now + i), "line %d" % i) for i in range(500)])])
        expect(status == 204, "push: %d %s" % (status, said))
        server.end(signal.SIGKILL)
        expect(server.health() != 0, "healthy after the end")
        server.start()  # replays the log
        expect(len(server.lines('{job="image"} |= "line"', now, now + 10**9)) == 500, "lines after a SIGKILL")
        server.flush()
        server.end(signal.SIGTERM)
        server.start()
        expect(len(server.lines('{job="image"} |~ "line [0-9]+"', now, now + 10**9)) == 500, "lines of chunks")
        server.end(signal.SIGTERM)
        strange = [n for n in os.listdir(server.data) if os.stat(os.path.join(server.data, n)).st_uid != UID]
        expect(not strange, "not of uid %d: %s" % (UID, strange))
    finally:
        server.close()


def check_same_bytes(first: str) -> None:
    run([os.path.join(TOP, "deploy", "docker", "build-oci.sh"), *archs()])
    with open(os.path.join(LAYOUT, "index.json"), encoding="utf-8") as f:
        expect(f.read() == first, "building twice does not make the same image")


def test() -> None:
    need_root()
    need("umoci", "skopeo", "bwrap", "setpriv", "cmake", "ninja", "file")
    sys.stdout.write(run([os.path.join(TOP, "deploy", "docker", "build-oci.sh"), *archs()]))
    with open(os.path.join(LAYOUT, "index.json"), encoding="utf-8") as f:
        first = f.read()
    native: Optional[str] = run(["dpkg", "--print-architecture"]).strip()
    with tempfile.TemporaryDirectory(prefix="skald-image-") as work:
        os.chmod(work, 0o755)
        for arch in archs():
            root = unpacked(arch, work)
            check_contents(root, arch)
            if arch != native and not os.path.exists(QEMU[arch]):
                raise Skip("no %s: the image of %s was built and not run" % (QEMU[arch], arch))
            check_run(root, arch, arch == native)
    check_same_bytes(first)


if __name__ == "__main__":
    main("deploy.image", test)
