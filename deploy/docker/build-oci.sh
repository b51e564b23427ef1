#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build-oci.sh [ARCH]... -- the container image without an engine: build/oci/layout, an OCI image
# layout with one index for the architectures named (amd64 and arm64 when none is).
#
# arm64 on an amd64 machine needs gcc-aarch64-linux-gnu and the arm64 -dev packages that the
# Dockerfile installs. To load it (SIZE: about 5 MB for each architecture):
#
#   skopeo copy --all oci:build/oci/layout:VERSION docker://HOST/skald:VERSION
#   skopeo copy oci:build/oci/layout:VERSION docker-archive:skald.tar:skald:VERSION
#   k3s ctr images import skald.tar        or: docker load -i skald.tar
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
out=$top/build/oci
version=$(sed -n 's/^project(skald VERSION \([0-9.]*\).*/\1/p' "$top/CMakeLists.txt")

# The commit's time: the same commit makes the same bytes.
if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
    SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct 2>/dev/null || stat -c %Y "$top/CMakeLists.txt")
fi
export SOURCE_DATE_EPOCH

if [[ $# == 0 ]]; then
    set -- amd64 arm64
fi
rm -rf "$out"
mkdir -p "$out"
roots=()
for arch in "$@"; do
    printf 'Building for %s (log: build/oci/%s.log) ...\n' "$arch" "$arch"
    if ! "$top/deploy/docker/build-static.sh" "$arch" "$out/root-$arch" >"$out/$arch.log" 2>&1; then
        tail -n 40 "$out/$arch.log" >&2
        exit 1
    fi
    roots+=("$arch=$out/root-$arch")
done
python3 "$top/deploy/docker/oci_layout.py" "$out/layout" skald "$version" "$SOURCE_DATE_EPOCH" \
    "${roots[@]}"
printf 'build/oci/layout, tag %s\n' "$version"
