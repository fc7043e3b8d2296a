#!/usr/bin/env bash
# Everything that building for 64-bit ARM boards and trying the result need, below target/cross: nothing is installed.
# Needs rustup, python3 with venv, and (for qemu) Debian's apt-get and dpkg. About 150 MB of downloads, once.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cross=$root/target/cross
ZIG=0.17.1 CARGO_ZIGBUILD=0.24.1

mkdir -p "$cross"
rustup target add aarch64-unknown-linux-gnu > "$cross/rustup.log" 2>&1 || { cat "$cross/rustup.log" >&2; exit 1; }
if [ "$(cat "$cross/linker" 2>/dev/null)" != "$ZIG $CARGO_ZIGBUILD" ]; then
    python3 -m venv "$cross/venv"
    "$cross/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        "ziglang==$ZIG" "cargo-zigbuild==$CARGO_ZIGBUILD"
    echo "$ZIG $CARGO_ZIGBUILD" > "$cross/linker"
fi
[ "${1:-}" = qemu ] || exit 0

# qemu's user mode for this machine, the C library for ARM: unpacked from Debian's packages, by an apt of their own.
if [ ! -x "$cross/host/usr/bin/qemu-aarch64-static" ] || [ ! -e "$cross/arm64/lib/ld-linux-aarch64.so.1" ]; then
    # shellcheck source=board/apt.sh
    . "$root/board/apt.sh"
    private_apt "$cross/apt"
    mkdir -p "$cross/deb"
    (cd "$cross/deb" && apt-get -qq download qemu-user-static:amd64 libc6:arm64 libgcc-s1:arm64)
    dpkg -x "$cross"/deb/qemu-user-static_*_amd64.deb "$cross/host"
    for package in "$cross"/deb/*_arm64.deb; do dpkg -x "$package" "$cross/arm64"; done
fi
