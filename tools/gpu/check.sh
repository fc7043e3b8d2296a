#!/usr/bin/env bash
# What a GPU does with the shipped models: tests/gpu.rs, then times of each engine beside the CPU engine's.
#
# usage: ORT_DYLIB_PATH=LIBRARY tools/gpu/check.sh FOLDER ENGINE…      (engines: cuda, tensorrt)
# PHICAM and PHICAM_GPU_TESTS name programs that were built elsewhere; PHICAM_GPU_VARIANTS some of the variants.
set -uo pipefail
out=$1
shift
engines=("$@")
phicam=${PHICAM:-target/release/phicam}
mkdir -p "$out"
export PHICAM_STATE PHICAM_GPU="${engines[*]}"
PHICAM_STATE=$(mktemp -d)

{
    date --utc +%FT%TZ
    echo "commit ${PHICAM_COMMIT:-$(git rev-parse HEAD)}"
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.sm,temperature.gpu --format=csv
    "$phicam" doctor
} >"$out/machine.txt" 2>&1

if [ -n "${PHICAM_GPU_TESTS:-}" ]; then tests=("$PHICAM_GPU_TESTS"); else tests=(cargo test --release --test gpu --); fi
"${tests[@]}" --test-threads 1 --nocapture >"$out/tests.txt" 2>&1
failed=$?
tail -n 12 "$out/tests.txt"

variants=${PHICAM_GPU_VARIANTS:-$("$phicam" models list --json | python3 -c 'import json, sys; print(*[json.loads(line)["variant"] for line in sys.stdin])')}
[ -n "$variants" ] || { echo "no variants: python3 and $phicam are needed, or PHICAM_GPU_VARIANTS" >&2; exit 1; }
for engine in "${engines[@]}" tract; do
    [ "$engine" = tensorrt ] && precisions="f16 f32" || precisions=f32
    for precision in $precisions; do
        for variant in $variants; do
            "$phicam" bench --json --engine "$engine" --precision "$precision" --model "$variant" 2>>"$out/bench.log" ||
                echo "{\"failed\":\"$engine $precision $variant\"}"
        done
    done
done >"$out/bench.jsonl"
python3 - "$out/bench.jsonl" <<'PYTHON'
import json, sys
for line in open(sys.argv[1]):
    found = json.loads(line)
    if "failed" in found:
        print("FAILED", found["failed"])
        continue
    infer = found["infer_ms"]
    print(f'{found["model"]:12} {found["engine"]:9} {found["precision"]:4} {infer["p50"]:7.3f} ms p50 {infer["p95"]:7.3f} p95, '
          f'first {found["first_ms"]:.1f}, load {found["load_ms"]:.0f} ms, {found["peak_rss_mib"]:.0f} MiB')
PYTHON
"$phicam" pick --fps 60 --json >"$out/pick.json" 2>"$out/pick.log"
"$phicam" pick --fps 60 >"$out/pick.txt" 2>&1
tail -n 5 "$out/pick.txt"
exit $failed
