#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What of the image needs no build: the layout's writer, the Dockerfile against it, the health check, the configurations that are shipped."""
import hashlib
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
from types import ModuleType
from typing import Any

from deploytest import TOP, Skip, expect, main, pins, run
from skaldtest import BIN, Server, free_port

DOCKER = os.path.join(TOP, "deploy", "docker")


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("oci_layout", os.path.join(DOCKER, "oci_layout.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["oci_layout"] = module
    spec.loader.exec_module(module)
    return module


OCI = loaded()


def read(name: str) -> str:
    with open(os.path.join(DOCKER, name), encoding="utf-8") as f:
        return f.read()


def small_root(folder: str) -> str:
    root = os.path.join(folder, "root")
    for name in ("loki", "var/loki", "usr/bin"):
        os.makedirs(os.path.join(root, name))
    with open(os.path.join(root, "skald"), "w", encoding="utf-8") as f:
        f.write("program")
    os.symlink("/skald", os.path.join(root, "usr/bin/loki"))
    return root


def blob(layout: str, descriptor: dict[str, Any]) -> bytes:
    with open(os.path.join(layout, "blobs", *descriptor["digest"].split(":")), "rb") as f:
        data = f.read()
    expect(len(data) == descriptor["size"] and "sha256:" + hashlib.sha256(data).hexdigest() == descriptor["digest"], "a blob")
    return data


def check_layout(folder: str) -> None:
    root, texts = small_root(folder), []
    for name in ("one", "two"):
        layout = os.path.join(folder, name)
        expect(OCI.main(["", layout, "skald", "1.2.3", "1700000000", "amd64=" + root, "arm64=" + root]) == 0, "oci_layout")
        with open(os.path.join(layout, "index.json"), encoding="utf-8") as f:
            texts.append(f.read())
        os.utime(os.path.join(root, "skald"))  # a time that must not matter
    expect(texts[0] == texts[1], "the same files make another image")
    index = json.loads(blob(layout, json.loads(texts[0])["manifests"][0]))
    expect([m["platform"]["architecture"] for m in index["manifests"]] == ["amd64", "arm64"], "index: %s" % index)
    manifest = json.loads(blob(layout, index["manifests"][0]))
    config = json.loads(blob(layout, manifest["config"]))
    blob(layout, manifest["layers"][0])
    path = os.path.join(layout, "blobs", *manifest["layers"][0]["digest"].split(":"))
    with tarfile.open(path) as tar:
        owners = {m.name: m.uid for m in tar.getmembers()}
    expect(owners == {"loki": 10001, "skald": 0, "usr": 0, "usr/bin": 0, "usr/bin/loki": 0, "var": 0, "var/loki": 10001},
           "owners: %s" % owners)
    with open(path, "rb") as f:
        plain = OCI.gzip.decompress(f.read())
    expect(config["rootfs"]["diff_ids"] == [OCI.digest_of(plain)], "diff_ids")


def check_dockerfile() -> None:
    text, pinned = read("Dockerfile"), pins()
    config = OCI.config_of("amd64", "", "", {})["config"]
    base = "ARG DEBIAN_IMAGE=%s:%s\n" % (pinned["DEBIAN_IMAGE"], pinned["DEBIAN_VERSION"])
    health = config["Healthcheck"]
    for line in (base, "USER %s\n" % config["User"], "ENTRYPOINT %s\n" % json.dumps(config["Entrypoint"]),
                 "CMD %s\n" % json.dumps(config["Cmd"]), "EXPOSE 3100/tcp\n", "STOPSIGNAL %s\n" % config["StopSignal"],
                 "HEALTHCHECK --interval=%ds --timeout=%ds --start-period=%ds --retries=%d CMD %s\n" % (
                     health["Interval"] // 10**9, health["Timeout"] // 10**9, health["StartPeriod"] // 10**9, health["Retries"],
                     json.dumps(health["Test"][1:]))):
        expect(line in text, "the Dockerfile lacks %r" % line)
    expect(":latest" not in text and "\nADD " not in text and "curl" not in text, "latest, ADD or curl in the Dockerfile")
    stages = re.findall(r"^FROM .*", text, re.M)
    expect(stages[-1] == "FROM scratch", "stages: %s" % stages)


def listener(answer: bytes) -> tuple[socket.socket, int]:
    """Answers one connection."""
    sock = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        conn, _ = sock.accept()
        conn.recv(1000)
        conn.sendall(answer)
        conn.close()

    threading.Thread(target=serve, daemon=True).start()
    return sock, int(sock.getsockname()[1])


def check_health(folder: str) -> None:
    if shutil.which("gcc") is None:
        raise Skip("no gcc for deploy/docker/health.c")
    program = os.path.join(folder, "health")
    run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-Os", "-Wall", "-Wextra", "-Werror", "-o", program, os.path.join(DOCKER, "health.c")])

    def status(*words: str) -> int:
        return subprocess.run([program, *words], check=False, timeout=20).returncode

    with Server() as server:
        expect(status(str(server.port)) == 0, "a server that is ready")
    expect(status(str(free_port())) == 1, "no server")
    expect(status("x") == 2 and status("70000") == 2, "a wrong port")
    for answer, want in ((b"HTTP/1.1 200 OK\r\n\r\n", 0), (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 1), (b"HTTP/1.1 20", 1), (b"", 1)):
        sock, port = listener(answer)
        expect(status(str(port)) == want, "answer %r" % answer)
        sock.close()


def check_configs() -> None:
    for path in ("deploy/docker/local-config.yaml", "deploy/debian/config.yaml"):
        said = run([BIN, "-verify-config", "-config.file=" + os.path.join(TOP, path)])
        expect("config is valid" in said and "level=warn" not in said, "%s: %s" % (path, said))


def test() -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_layout(folder)
        check_dockerfile()
        check_configs()
        check_health(folder)


if __name__ == "__main__":
    main("deploy.oci", test)
