#!/usr/bin/env bash
# The kernels' tests on 64-bit ARM, by qemu's user mode. Needs what `board/cross/setup.sh qemu` fetches.
set -euo pipefail
cd "$(dirname "$0")/../.."
cross=$PWD/target/cross
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$cross/host/usr/bin/qemu-aarch64-static -L $cross/arm64"
PATH="$cross/venv/bin:$PATH" cargo-zigbuild test --locked --release --package phicam-kernels \
    --target aarch64-unknown-linux-gnu.2.27
