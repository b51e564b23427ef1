#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""oci_layout.py LAYOUT NAME VERSION CREATED ARCH=ROOT... -- an OCI image layout of root directories, one for each architecture.

No engine, no privileges, and the same bytes from the same files: owners, times and order are set here. LAYOUT/index.json names one image
index, tagged VERSION; CREATED is seconds since 1970. Loads with `skopeo copy oci:LAYOUT:VERSION ...`, `podman pull oci:LAYOUT:VERSION`.
"""
import datetime
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
from typing import Any

USER = 10001
OWNED = ("loki", "var/loki")  # what the server may write in; the rest is root's
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
SECOND = 1_000_000_000

Json = dict[str, Any]


def add_file(tar: tarfile.TarFile, root: str, name: str, mtime: int) -> None:
    path = os.path.join(root, name)
    info = tar.gettarinfo(path, name)
    info.uid = info.gid = USER if name in OWNED else 0
    info.uname = info.gname = ""
    info.mtime = mtime
    if info.type == tarfile.LNKTYPE:  # a second name of a file in the stage is a file of its own here
        info.type = tarfile.REGTYPE
    if info.isreg():
        with open(path, "rb") as f:
            tar.addfile(info, f)
    else:
        tar.addfile(info)


def names(root: str) -> list[str]:
    found: list[str] = []
    for folder, folders, files in os.walk(root):
        found += [os.path.relpath(os.path.join(folder, n), root) for n in folders + files]
    return sorted(found)


def layer_of(root: str, mtime: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in names(root):
            add_file(tar, root, name, mtime)
    return out.getvalue()


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    def __init__(self, folder: str) -> None:
        self.folder = folder
        os.makedirs(os.path.join(folder, "blobs", "sha256"), exist_ok=True)

    def blob(self, data: bytes, media_type: str) -> Json:
        """Stores the bytes; returns their descriptor."""
        digest = digest_of(data)
        with open(os.path.join(self.folder, "blobs", *digest.split(":")), "wb") as f:
            f.write(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def json_blob(self, value: Json, media_type: str) -> Json:
        return self.blob(json.dumps(value, sort_keys=True).encode(), media_type)

    def write(self, name: str, value: Json) -> None:
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            json.dump(value, f, sort_keys=True)


def labels(name: str, version: str, created: str) -> dict[str, str]:
    prefix = "org.opencontainers.image."
    return {prefix + "title": name, prefix + "version": version, prefix + "created": created,
            prefix + "licenses": "Apache-2.0", prefix + "description": "log store that takes the place of Grafana Loki"}


def config_of(arch: str, diff_id: str, created: str, marks: dict[str, str]) -> Json:
    """What the Dockerfile says with USER, ENTRYPOINT, CMD, EXPOSE, STOPSIGNAL and HEALTHCHECK."""
    health = {"Test": ["CMD", "/health"], "Interval": 30 * SECOND, "Timeout": 5 * SECOND,
              "StartPeriod": 600 * SECOND, "Retries": 3}
    return {"architecture": arch, "os": "linux", "created": created,
            "config": {"User": "%d:%d" % (USER, USER), "Entrypoint": ["/skald"],
                       "Cmd": ["-config.file=/etc/loki/local-config.yaml"], "ExposedPorts": {"3100/tcp": {}},
                       "Env": ["PATH=/usr/bin:/"], "WorkingDir": "/", "StopSignal": "SIGTERM", "Labels": marks,
                       "Healthcheck": health},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created": created, "created_by": "deploy/docker/build-oci.sh"}]}


def image(layout: Layout, arch: str, root: str, stamp: int, created: str, marks: dict[str, str]) -> Json:
    """One architecture's manifest; returns its descriptor with the platform."""
    plain = layer_of(root, stamp)
    layer = layout.blob(gzip.compress(plain, 9, mtime=0), LAYER)
    config = layout.json_blob(config_of(arch, digest_of(plain), created, marks), CONFIG)
    descriptor = layout.json_blob({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
                                   "annotations": marks}, MANIFEST)
    print("%s: %d bytes unpacked, %d compressed" % (arch, len(plain), layer["size"]))
    platform = {"architecture": arch, "os": "linux"}
    if arch == "arm64":
        platform["variant"] = "v8"
    return dict(descriptor, platform=platform)


def main(argv: list[str]) -> int:
    if len(argv) < 6:
        print(__doc__, file=sys.stderr)
        return 2
    layout, name, version, stamp = Layout(argv[1]), argv[2], argv[3], int(argv[4])
    created = datetime.datetime.fromtimestamp(stamp, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    marks = labels(name, version, created)
    images = []
    for word in argv[5:]:
        arch, _, root = word.partition("=")
        images.append(image(layout, arch, root, stamp, created, marks))
    index = layout.json_blob({"schemaVersion": 2, "mediaType": INDEX, "manifests": images, "annotations": marks}, INDEX)
    index["annotations"] = {"org.opencontainers.image.ref.name": version}
    layout.write("index.json", {"schemaVersion": 2, "mediaType": INDEX, "manifests": [index]})
    layout.write("oci-layout", {"imageLayoutVersion": "1.0.0"})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
