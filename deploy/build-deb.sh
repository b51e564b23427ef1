#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build-deb.sh [ARCH]... -- Debian packages of this tree in build/package: this machine's
# architecture, or those named (another one needs its cross compiler and -dev packages).
#
# debian/ must lie at the top of a source tree, so the tree is copied, without what git ignores.
# The project's tests are run by ./dev test; SKALD_DEB_CHECK=1 has the package run its unit tests.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
out=$top/build/package
native=$(dpkg --print-architecture)

die() {
    printf 'build-deb: %s\n' "$*" >&2
    exit 1
}

copy_tree() { # FOLDER
    mkdir -p "$1"
    if git -C "$top" rev-parse --git-dir >/dev/null 2>&1; then
        git -C "$top" ls-files -z --cached --others --exclude-standard |
            tar -C "$top" --null --no-recursion --ignore-failed-read -T - -cf - | tar -C "$1" -xf -
    else
        tar -C "$top" --exclude=./build --exclude=./.dev -cf - . | tar -C "$1" -xf -
    fi
    rm -rf "$1/debian"
    cp -r "$1/deploy/debian" "$1/debian"
}

build() { # FOLDER ARCH
    local options=(-b -us -uc --host-arch "$2") log=$out/build-$2.log profiles=
    if [[ $2 != "$native" ]]; then
        profiles=cross,nocheck
    elif [[ -z ${SKALD_DEB_CHECK:-} ]]; then
        profiles=nocheck
    fi
    if [[ -n $profiles ]]; then
        options+=(--build-profiles="$profiles")
    fi
    printf 'Building the package for %s (log: %s) ...\n' "$2" "${log#"$top"/}"
    (
        cd "$1"
        export DEB_BUILD_OPTIONS="parallel=${SKALD_JOBS:-$(nproc)}${profiles:+ nocheck}"
        dpkg-buildpackage "${options[@]}"
    ) >"$log" 2>&1 || {
        tail -n 40 "$log" >&2
        die "the package for $2 was not built"
    }
}

command -v dpkg-buildpackage >/dev/null || die "dpkg-dev and debhelper are needed"
version=$(dpkg-parsechangelog -l "$top/deploy/debian/changelog" -S Version)
tree=$out/skald-$version
rm -rf "$tree"
copy_tree "$tree"
for arch in "${@:-$native}"; do
    build "$tree" "$arch"
done
rm -rf "$tree"
ls -l "$out"/skald_"$version"_*.deb
