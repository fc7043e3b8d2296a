#!/usr/bin/env bash
# Everything that bench.py needs, below target/arm: qemu with plugins, LLVM's machine models, a Python for ARM with the other
# engines. Nothing is installed. Needs Debian's apt-get and dpkg, gcc, and what bench-peers needs. About 300 MB, once.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tools/arm into=$root/target/arm llvm=22

"$root/tools/peers/setup.sh"
"$root/board/cross/setup.sh"
mkdir -p "$into"/{apt,deb,host,root,wheels,site}

if [ ! -x "$into/host/usr/bin/qemu-aarch64" ] || [ ! -x "$into/root/usr/bin/python3.11" ]; then
    # shellcheck source=board/apt.sh
    . "$root/board/apt.sh"
    private_apt "$into/apt"
    # Newer versions of LLVM come by way of the security archive.
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    sed "s,http://deb.debian.org/debian $release,http://deb.debian.org/debian-security $release-security," \
        "$into/apt/sources" >> "$into/apt/sources.new"
    cat "$into/apt/sources.new" >> "$into/apt/sources" && rm "$into/apt/sources.new"
    apt-get -qq update
    host=(qemu-user libcapstone4 libglib2.0-0 "llvm-$llvm" "llvm-$llvm-runtime" "libllvm$llvm")
    guest=(libc6 libgcc-s1 libstdc++6 libgomp1 zlib1g libexpat1 libffi8 libbz2-1.0 liblzma5 libssl3 libuuid1 libcrypt1
        python3.11-minimal libpython3.11-minimal libpython3.11-stdlib)
    (cd "$into/deb" && apt-get -qq download "${host[@]/%/:amd64}" "${guest[@]/%/:arm64}")
    for package in "$into"/deb/*_amd64.deb; do dpkg -x "$package" "$into/host"; done
    for package in "$into"/deb/*_arm64.deb; do dpkg -x "$package" "$into/root"; done
fi

if ! cmp -s "$here/requirements.txt" "$into/site/requirements.txt"; then
    platforms=()
    for tag in manylinux_2_28 manylinux_2_27 manylinux2014 manylinux_2_17; do platforms+=(--platform "${tag}_aarch64"); done
    python3 -m pip download --quiet --disable-pip-version-check --dest "$into/wheels" --no-deps --only-binary :all: \
        --python-version 3.11 --implementation cp "${platforms[@]}" -r "$here/requirements.txt"
    for wheel in "$into"/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$into/site"; done
    cp "$here/requirements.txt" "$into/site/requirements.txt"
fi

for plugin in blocks cache; do
    gcc -O2 -Wall -Wextra -Wno-unused-parameter -shared -fPIC -o "$into/$plugin.so" "$here/$plugin.c"
done
PATH="$root/target/cross/venv/bin:$PATH" cargo zigbuild --locked --release --manifest-path "$root/Cargo.toml" \
    --package phicam --example infer --target aarch64-unknown-linux-gnu.2.27
