# What developers run. The two commands that users need are cargo's own: cargo run --release, cargo test --release.

# List these recipes
default:
    @just --list

# What CI runs
ci:
    bash .ci/run

# ONNX Runtime's own library beside the CPU engine, and each way in which it can be wrong (needs Python 3.11 and a network)
check-onnxruntime-engine:
    python3 -m venv target/reference-venv
    target/reference-venv/bin/python -m pip install --quiet -r tests/reference/requirements.txt
    PHICAM_ONNXRUNTIME="$(echo "$PWD"/target/reference-venv/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.1.*)" \
        cargo test --release --test onnxruntime

# Formatting, lints, licences, documentation
check:
    cargo fmt --all --check
    cargo clippy --all-targets -- -D warnings
    cargo deny check licenses bans sources
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# Rebuild the models from the published weights and compare with the ones here (needs Python 3.11 and a network)
check-models:
    python3 -m venv target/models-venv
    target/models-venv/bin/python -m pip install --quiet -r models/imagenet/requirements.txt
    target/models-venv/bin/python models/imagenet/build.py --check

# Every choice on every sample against ONNX Runtime on the same input (needs Python 3.11 and a network)
check-onnxruntime:
    cargo build --release
    python3 -m venv target/reference-venv
    target/reference-venv/bin/python -m pip install --quiet -r tests/reference/requirements.txt
    target/reference-venv/bin/python tests/reference/check.py target/release/phicam
    target/reference-venv/bin/python tests/reference/check_scale.py target/release/phicam

# Programs of the profile `dist` end at a panic, so they need no tables for unwinding: 1.7 MB.
dist_flags := "-C force-unwind-tables=no"

# The small binary for this kind of processor: as fast as `release`, eight minutes to build
dist:
    RUSTFLAGS="{{dist_flags}}" cargo build --package phicam --profile dist --no-default-features
    ls -l target/dist/phicam

# The program for boards, one file for glibc 2.27 and later (JetPack 4 to 6, Raspberry Pi OS of 64 bits), linked by zig
build target="aarch64":
    @test "{{target}}" = aarch64 || { echo "only aarch64 can be built for, 64-bit ARM; see docs/deploying.md" >&2; exit 1; }
    board/cross/setup.sh
    RUSTFLAGS="{{dist_flags}}" PATH="$PWD/target/cross/venv/bin:$PATH" cargo zigbuild --locked --package phicam --profile dist --no-default-features --target aarch64-unknown-linux-gnu.2.27
    board/cross/check.sh target/aarch64-unknown-linux-gnu/dist/phicam

# Run that program under qemu's user mode and compare its scores with this machine's
test-arm: build
    board/cross/setup.sh onnxruntime
    cargo test --locked --release --test aarch64_qemu -- --ignored
    board/cross/test-kernels.sh

# The kernels' plain loops under Miri (needs a nightly toolchain with miri), all of them under valgrind
check-kernels:
    cargo +nightly miri test --package phicam-kernels
    cargo build --locked --release --package phicam-kernels --examples
    valgrind --quiet --error-exitcode=1 target/release/examples/runs b0 64 1 2
    valgrind --quiet --error-exitcode=1 target/release/examples/runs lite0 96 1 2

# Put the program on a board by ssh; it goes back by itself if it does not get well (board: a name in board/, or a file)
deploy host board="":
    @test -n "${PHICAM_PROGRAM:-}" || just build aarch64
    board/deploy/deploy.sh deploy {{host}} {{board}}

# Back to the release before, on a board
rollback host:
    board/deploy/deploy.sh rollback {{host}}

# What runs on a board, and whether it is well
status host:
    board/deploy/deploy.sh status {{host}}

# The log of a board; `-f` goes on
logs host follow="":
    board/deploy/deploy.sh logs {{host}} {{follow}}

# Take it off a board; `--purge` with what it remembers and its user
undeploy host purge="":
    board/deploy/deploy.sh undeploy {{host}} {{purge}}

# The units and scripts of a deploy, by systemd-analyze and shellcheck
check-deploy:
    board/deploy/check.sh

# Boot a virtual board and try the program on it (QEMU, Debian's arm64 kernel; `just test-board --faults` breaks things too)
test-board faults="":
    test -n "${PHICAM_ARM:-}" || just build
    board/virtual/setup.sh
    cargo test --locked --release --test board --test board_deploy -- --ignored --test-threads=1 --nocapture --skip systemd:: {{ if faults == "--faults" { "" } else { "--skip faults" } }}

# The service on a virtual board with Debian's systemd and udev
test-systemd:
    test -n "${PHICAM_ARM:-}" || just build
    board/virtual/setup.sh
    board/virtual/systemd.sh
    cargo test --locked --release --test board -- --ignored --nocapture systemd::

# Time every stage of the named choice on this machine
bench model="lite0@224":
    cargo run --release -- bench --model {{model}}

# Phicam's CPU engine beside ONNX Runtime, LiteRT, OpenVINO, ncnn, stock tract and rten (needs Python 3.11 and a network)
bench-peers *arguments:
    tools/peers/setup.sh
    target/peers/venv/bin/python tools/peers/bench.py {{arguments}}

# CUDA and TensorRT on a real GPU: scores, what is kept, times beside the CPU engine's (`just check-gpu LIBRARY FOLDER cuda tensorrt`)
check-gpu library folder +engines:
    cargo build --release --tests
    ORT_DYLIB_PATH="{{library}}" tools/gpu/check.sh "{{folder}}" {{engines}}

# What the program for boards and its peers do on ARM cores, simulated (needs Debian 12 on x86-64, Python 3.11, a network)
bench-arm *arguments:
    tools/arm/setup.sh
    target/peers/venv/bin/python tools/arm/bench.py {{arguments}}

# The cache model of bench-arm against loops whose misses are known
check-arm-caches:
    tools/arm/setup.sh
    python3 tools/arm/check.py

# The picker and what keeps to it, on simulated devices and on ones that others have timed (two minutes; `just simulate --seed 2`)
simulate *arguments:
    cargo run --release --package phicam-policy --example simulate -- {{arguments}}

# Is the pick the same each time, and does the line hold it? Half an hour on a machine that does nothing else
check-pick *arguments:
    cargo build --release
    python3 tools/pick/check.py {{arguments}}

# Slower checks, before an issue is called done
ci-heavy: ci check-models check-onnxruntime dist test-arm (test-board "--faults") test-systemd

# Fuzz the readers of model files, ten minutes each (needs a C++ compiler; `just fuzz 60 onnx` for one of them)
fuzz seconds="600" *targets:
    fuzz/run {{seconds}} {{targets}}
