#!/usr/bin/env bash
# Writes src/bindings.rs anew from this machine's kernel headers, and checks that 64-bit ARM's give the same.
# Needs: cargo install bindgen-cli; Debian's libclang-dev, linux-libc-dev and linux-libc-dev-arm64-cross.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '#include <linux/videodev2.h>' > "$work/wrapper.h"

generate() { # OUT CLANG-ARGUMENT…
    local out=$1
    shift
    # The parameters of stateless codecs, which change from kernel to kernel, are only pointed to: kept as bytes.
    bindgen "$work/wrapper.h" --allowlist-type 'v4l2_.*' --allowlist-var 'V4L2_.*' --allowlist-type 'timeval|time_t|timespec' \
        --opaque-type 'v4l2_ctrl_(hevc|h264|vp8|vp9|fwht|mpeg2|av1)_.*' --no-doc-comments --rust-target 1.82 \
        -o "$out" -- "$@"
}

generate "$work/x86_64.rs" --target=x86_64-linux-gnu
generate "$work/aarch64.rs" --target=aarch64-linux-gnu -I/usr/aarch64-linux-gnu/include
diff "$work/x86_64.rs" "$work/aarch64.rs"
rustfmt --edition 2024 --config-path ../.. "$work/x86_64.rs"
cp "$work/x86_64.rs" src/bindings.rs
