#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build-static.sh ARCH FOLDER -- builds skald for ARCH (amd64, arm64) with all libraries in it but the C
# library and wslay, of which Debian has no archive, and lays out in FOLDER what the image holds.
#
# The Dockerfile and build-oci.sh both come here, so that there is one list of contents.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
arch=$1
root=$2
# What the program is linked with; their licences ask for their notices in binary copies.
libraries=(libuv1-dev libsnappy-dev libzstd-dev liblz4-dev zlib1g-dev libre2-dev libyaml-dev
    libxxhash-dev libssl-dev libwslay1 libc6-dev gcc-12-base node-llhttp libllhttp-dev)

case $arch in
amd64)
    triplet=x86_64-linux-gnu
    loader=/lib64/ld-linux-x86-64.so.2
    ;;
arm64)
    triplet=aarch64-linux-gnu
    loader=/lib/ld-linux-aarch64.so.1
    ;;
*)
    printf 'build-static: %s: amd64 and arm64 are known\n' "$arch" >&2
    exit 2
    ;;
esac
if [[ $(dpkg --print-architecture) == "$arch" ]]; then
    preset=static
elif [[ $arch == arm64 ]]; then
    preset=static-arm64
else
    printf 'build-static: no preset builds %s on this machine\n' "$arch" >&2
    exit 2
fi

cd "$top"
# The bytes must not tell where they were built.
map=-ffile-prefix-map=$top=.
cmake --preset "$preset" -S . -DCMAKE_C_FLAGS="$map" -DCMAKE_CXX_FLAGS="$map"
cmake --build --preset "$preset" --target skald -j "${SKALD_JOBS:-$(nproc)}"

install -d -m 0755 "$root" "$root"/{usr,usr/bin,usr/share,usr/share/licenses,etc,etc/loki}
"$triplet-strip" -o "$root/skald" "build/$preset/skald"
# What the program asks for, and what that asks for.
install -d -m 0755 "$root/lib" "$root/lib/$triplet" "$root$(dirname "$loader")"
needed=("$root/skald")
for ((i = 0; i < ${#needed[@]}; i++)); do
    while read -r name; do
        to=$root/lib/$triplet/$name
        [[ $name == "$(basename "$loader")" ]] && to=$root$loader
        [[ -e $to ]] && continue
        for from in "/lib/$triplet/$name" "/usr/lib/$triplet/$name" "/usr/$triplet/lib/$name"; do
            [[ -e $from ]] && break
        done
        install -m 0755 "$from" "$to"
        needed+=("$to")
    done < <("$triplet-readelf" -d "${needed[i]}" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
done
[[ -e $root$loader ]] || install -m 0755 "/lib/$triplet/$(basename "$loader")" "$root$loader"
"$triplet-gcc" -std=c11 -D_GNU_SOURCE -Os -Wall -Wextra -Werror -fPIE -static-pie -s \
    -o "$root/health" deploy/docker/health.c
chmod 0755 "$root/skald" "$root/health"
# Manifests that were written for Loki's image run one of these.
ln -sf /skald "$root/usr/bin/skald"
ln -sf /skald "$root/usr/bin/loki"
install -m 0644 deploy/docker/local-config.yaml "$root/etc/loki/local-config.yaml"
printf 'skald:x:10001:10001:skald:/loki:/none\n' >"$root/etc/passwd"
printf 'skald:x:10001:\n' >"$root/etc/group"
install -m 0644 LICENSE LICENSE.go "$root/usr/share/licenses/"
for library in "${libraries[@]}"; do
    if [[ -e /usr/share/doc/$library/copyright ]]; then
        install -m 0644 "/usr/share/doc/$library/copyright" \
            "$root/usr/share/licenses/${library%-dev}"
    fi
done
# Data: in /loki as in Loki's image, in /var/loki as in its chart. A volume that is mounted there
# takes the owner of the folder.
install -d -m 1777 "$root/tmp"
# Where an engine mounts what every process expects; with a read-only root it cannot make them.
install -d -m 0755 "$root/proc" "$root/sys" "$root/dev"
install -d -m 0750 "$root/loki" "$root/var" "$root/var/loki"
chmod 0755 "$root/var"
