# SPDX-License-Identifier: Apache-2.0
"""A clean Debian in a folder, made once by mmdebstrap and unpacked anew for each test. Root only."""
import os
import shutil
import subprocess
import tempfile
from typing import Optional, Sequence

from deploytest import Skip, cache_lock, need, need_root, remote_failure, run


def codename() -> str:
    with open("/etc/os-release", encoding="utf-8") as f:
        found = dict(x.strip().split("=", 1) for x in f if "=" in x)
    if found.get("ID") not in ("debian", "raspbian"):
        raise Skip("this is %s, not Debian" % found.get("ID", "unknown"))
    return found["VERSION_CODENAME"]


def archive() -> str:
    """The tar file with the root; made at the first call."""
    name = "root-%s.tar" % codename()
    with cache_lock(name) as cache:
        path = os.path.join(cache, name)
        if not os.path.exists(path):
            fresh = os.path.join(cache, "new-" + name)
            said = run(["mmdebstrap", "--variant=apt", "--include=systemd,ca-certificates",
                        codename(), fresh], check=False)
            if not os.path.exists(fresh) or os.path.getsize(fresh) < 10_000_000:
                if remote_failure(said):
                    raise Skip("no Debian mirror: " + said[-300:])
                raise AssertionError("mmdebstrap: " + said[-2000:])
            os.rename(fresh, path)
    return path


class Root:
    """with Root() as r: r.run([...])"""

    def __init__(self) -> None:
        need_root()
        need("mmdebstrap", "unshare", "chroot")
        self.path = ""

    def __enter__(self) -> "Root":
        tar = archive()
        self.path = tempfile.mkdtemp(prefix="skald-root-")
        os.chmod(self.path, 0o755)
        run(["tar", "-C", self.path, "-xf", tar])
        return self

    def __exit__(self, *exc: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def command(self, command: Sequence[str], user: Optional[str] = None) -> list[str]:
        """The command in the root with a /proc and a mount space of its own."""
        script = 'mount -t proc proc "$0/proc" && exec chroot %s "$0" "$@"' % (
            "--userspec=%s:" % user if user else "")
        return ["unshare", "--mount", "sh", "-c", script, self.path, *command]

    def run(self, command: Sequence[str], user: Optional[str] = None, check: bool = True,
            text: Optional[str] = None) -> str:
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
               "LC_ALL": "C.UTF-8"}
        return run(self.command(command, user), check=check, text=text, env=env)

    def popen(self, command: Sequence[str], user: str, env: dict[str, str],
              log: str) -> "subprocess.Popen[str]":
        with open(log, "a", encoding="utf-8") as out:
            return subprocess.Popen(self.command(command, user), stdout=out, stderr=out, text=True,
                                    env=dict(env, PATH="/usr/sbin:/usr/bin:/sbin:/bin"))

    def file(self, path: str) -> str:
        return os.path.join(self.path, path.lstrip("/"))
