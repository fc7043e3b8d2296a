#!/usr/bin/env bash
# Everything that building for 64-bit ARM boards and trying the result need, below target/cross: nothing is installed.
# Needs rustup, python3 with venv, and (for qemu) Debian's apt-get and dpkg. About 150 MB of downloads, once; with ONNX Runtime
# (`setup.sh onnxruntime`) 100 MB more.
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
[ "${1:-}" = qemu ] || [ "${1:-}" = onnxruntime ] || exit 0

# qemu's user mode for this machine, the C library for ARM: unpacked from Debian's packages, by an apt of their own.
if [ ! -x "$cross/host/usr/bin/qemu-aarch64-static" ] || [ ! -e "$cross/arm64/usr/lib/aarch64-linux-gnu/libstdc++.so.6" ]; then
    # shellcheck source=board/apt.sh
    . "$root/board/apt.sh"
    private_apt "$cross/apt"
    mkdir -p "$cross/deb"
    (cd "$cross/deb" && apt-get -qq download qemu-user-static:amd64 libc6:arm64 libgcc-s1:arm64 libstdc++6:arm64)
    dpkg -x "$cross"/deb/qemu-user-static_*_amd64.deb "$cross/host"
    for package in "$cross"/deb/*_arm64.deb; do dpkg -x "$package" "$cross/arm64"; done
fi
[ "$1" = onnxruntime ] || exit 0

# ONNX Runtime for ARM: the one for processors, and a third party's for JetPack 6 (a CUDA provider, without CUDA).
wheel() { # folder, package, version, Python, SHA-256
    [ "$(cat "$cross/$1/of" 2>/dev/null)" = "$5" ] && return
    rm -rf "${cross:?}/$1" && mkdir -p "$cross/$1/wheel"
    "$cross/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --platform manylinux_2_27_aarch64 --platform manylinux_2_28_aarch64 --platform manylinux_2_34_aarch64 \
        --python-version "$4" --implementation cp --dest "$cross/$1/wheel" "$2==$3"
    echo "$5  $(echo "$cross/$1"/wheel/*.whl)" | sha256sum --quiet --check
    (cd "$cross/$1" && "$cross/venv/bin/python" -m zipfile -e wheel/*.whl . && rm -r wheel && echo "$5" > of)
}
wheel onnxruntime onnxruntime 1.23.2 310 8f7d1fe034090a1e371b7f3ca9d3ccae2fabae8c1d8844fb7371d1ea38e8e8d2
wheel onnxruntime-gpu onnxruntime-gpu-extended 1.23.2.12.9 310 eedc484f7b354a664178c9601d738501970794c71609bd501603148d9eb7dc96
