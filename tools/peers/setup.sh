#!/usr/bin/env bash
# Installs and builds what bench.py compares, in target/peers. An engine that cannot be had for this machine is named and left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tools/peers into=target/peers

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed" >&2; exit 1; }
mkdir -p "$into"
[ -x "$into/venv/bin/python" ] || python3 -m venv "$into/venv"
# Wheels only: without one, pip would set out to compile an engine.
pip() { "$into/venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "$@"; }
if ! pip -r "$here/requirements.txt"; then
    grep -v '^#' "$here/requirements.txt" | while read -r package; do
        [ -z "$package" ] || pip "$package" || echo "$package cannot be had here" >&2
    done
fi
pip --no-deps -r "$here/requirements.no-deps.txt" || echo "pnnx cannot be had here, so ncnn is left out" >&2

cargo build --locked --release --package phicam --bin phicam --example infer
cargo build --locked --release --manifest-path "$here/rten/Cargo.toml" --target-dir "$into/rten" ||
    echo "rten cannot be built here (it needs a newer Rust than Phicam, see $here/rten/Cargo.toml), so it is left out" >&2
rustc --edition 2024 -C opt-level=3 -o "$into/fma" "$here/fma.rs"
