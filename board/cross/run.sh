#!/usr/bin/env bash
# Runs a program for 64-bit ARM on this machine: board/cross/run.sh PROGRAM ARGUMENT… (after board/cross/setup.sh qemu).
set -euo pipefail
cross=$(cd "$(dirname "$0")/../../target/cross" && pwd)
# The emulated processor is named: by itself tract would read this machine's /proc/cpuinfo.
TRACT_CPU_AARCH64_KIND=${TRACT_CPU_AARCH64_KIND:-a72} \
    exec "$cross/host/usr/bin/qemu-aarch64-static" -cpu cortex-a72 -L "$cross/arm64" "$@"
