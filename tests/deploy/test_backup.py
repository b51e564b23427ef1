#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""components/backup's script copies the folder of a running skald; a skald on the copy has every line."""
from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from common import KUSTOMIZE, output, run
from skaldtest import Server

SCRIPT = KUSTOMIZE / "components/backup/backup.sh"


def shell() -> list[str]:
    """busybox, as in the image, where there is one."""
    return ["busybox", "sh"] if shutil.which("busybox") else ["sh"]


def copy_of_a_running_one() -> None:
    start, acknowledged, stop = time.time_ns(), [], threading.Event()

    def push(server: Server) -> None:
        while not stop.is_set():
            n = len(acknowledged)
            status, _ = server.push([({"app": f"a{n % 7}"}, [(start + n, f"line {n}")])])
            assert status == 204, status
            acknowledged.append(n)

    folder = Path(tempfile.mkdtemp(prefix="skald-backup-"))
    with Server(args=["-skald.wal-sync-gap=0s"]) as server:
        pusher = threading.Thread(target=push, args=(server,))
        pusher.start()
        try:
            for round_ in range(4):
                while len(acknowledged) < 40 * (round_ + 1):
                    assert pusher.is_alive()
                    time.sleep(0.01)
                if round_ in (1, 2):
                    assert server.request("POST", "/flush")[0] == 204
                count = len(acknowledged)
                output([*shell(), str(SCRIPT), server.folder, str(folder), "14"])
        finally:
            stop.set()
            pusher.join()
    check(folder, start, count)


def check(folder: Path, start: int, count: int) -> None:
    """All lines that were acknowledged before the last copy began, once each."""
    assert not list(folder.rglob(".part"))
    with Server(folder=str(folder)) as server:
        lines = sorted(server.lines('{app=~".+"}', start, start + 10**9))
        assert len(lines) == len(set(lines)), "a line twice"
        missing = {f"line {n}" for n in range(count)} - set(lines)
        assert not missing, f"{len(missing)} of {count} lines are missing"
    shutil.rmtree(folder)


def old_copies_go() -> None:
    with tempfile.TemporaryDirectory() as work:
        source, target = Path(work) / "from", Path(work) / "to"
        for name in ("wal/00000001", "chunks/fake/a/new"):
            (source / name).parent.mkdir(parents=True)
            (source / name).write_text("x", encoding="utf-8")
        (target / "chunks/fake").mkdir(parents=True)
        for name, days in (("old", 20), ("young", 5)):
            file = target / "chunks/fake" / name
            file.write_text("x", encoding="utf-8")
            os.utime(file, (time.time() - days * 86400,) * 2)
        output([*shell(), str(SCRIPT), str(source), str(target), "14"])
        have = {str(p.relative_to(target)) for p in target.rglob("*") if p.is_file()}
        assert have == {"wal/00000001", "chunks/fake/a/new", "chunks/fake/young"}, have


if __name__ == "__main__":
    run([copy_of_a_running_one, old_copies_go])
