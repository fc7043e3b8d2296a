#!/usr/bin/env bash
# Everything that the virtual board needs, below target/board: kernel, camera driver, initial file system, disk, ssh key.
# From Debian's packages; 230 MB of downloads, once. `setup.sh fresh` takes the packages as Debian has them now.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/board/virtual
board=$root/target/board

# What runs here, and which package has it.
missing=()
for pair in qemu-system-aarch64:qemu-system-arm aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu make:make cpio:cpio \
    zstd:zstd depmod:kmod mke2fs:e2fsprogs ssh:openssh-client; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" > /dev/null || missing+=("${pair##*:}")
done
[ -e /usr/aarch64-linux-gnu/lib/libc.a ] || missing+=(libc6-dev-arm64-cross)
if [ ${#missing[@]} -gt 0 ]; then
    install="apt-get install --no-install-recommends ${missing[*]}"
    [ "$(id -u)" = 0 ] || { echo "The virtual board needs packages: sudo $install" >&2; exit 1; }
    echo "board: $install"
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" > /dev/null
fi
export PATH=$PATH:/usr/sbin:/sbin

# On the board: a shell, ssh, v4l2-ctl and the libraries that they and the program need.
GUEST="busybox-static dropbear-bin libcrypt1 libgmp10 libtomcrypt1 libtommath1 zlib1g
    v4l-utils libv4l-0 libv4l2rds0 libv4lconvert0 libjpeg62-turbo libstdc++6 libudev1 libc6 libgcc-s1"
# What a package depends on, one a line: linux-image-arm64 and linux-headers-arm64 only name the current kernel's.
needs() { apt-cache show --no-all-versions "$1" | sed -n 's/^Depends: //p' | tr ',' '\n' | sed 's/ *(.*//; s/^ *//'; }

# A stage is done again when what it is made of changed: `stage NAME TEXT FILE…` is true then, `finished` writes that down.
stage() {
    name=$1
    hash=$({ echo "$2"; shift 2; [ $# -eq 0 ] || sha256sum "$@"; } | sha256sum)
    [ "$(cat "$board/$name.hash" 2> /dev/null)" != "$hash" ]
}
finished() { echo "$hash" > "$board/$name.hash"; echo "board: $name made ($SECONDS s)"; }

mkdir -p "$board"
exec 9> "$board/lock"
flock 9
[ "${1:-}" != fresh ] || rm -f "$board"/*.hash
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
if stage packages "$release $GUEST"; then
    rm -rf "$board/deb" "$board/guest" "$board/kernel"
    mkdir -p "$board/deb/guest" "$board/deb/kernel"
    # shellcheck source=board/apt.sh
    . "$root/board/apt.sh"
    private_apt "$board/apt"
    image=$(needs linux-image-arm64:arm64)
    headers=$(needs linux-headers-arm64:arm64)
    common=$(needs "$headers:arm64" | grep common)
    kbuild=$(needs "$headers:arm64" | grep kbuild)
    (cd "$board/deb/kernel" && apt-get -qq download "$image:arm64" "$headers:arm64" "$common" "$kbuild:amd64" v4l2loopback-dkms)
    # shellcheck disable=SC2086
    (cd "$board/deb/guest" && apt-get -qq download $GUEST)
    for part in guest kernel; do
        for package in "$board/deb/$part"/*.deb; do dpkg -x "$package" "$board/$part"; done
    done
    (cd "$board/deb" && ls guest kernel) > "$board/versions"
    rm -rf "$board/deb"
    mv "$board"/kernel/boot/vmlinuz-* "$board/vmlinuz"
    depmod -b "$board/kernel" "$(ls "$board/kernel/lib/modules")"
    finished
fi
packages=$(cat "$board/versions")
version=$(ls "$board/kernel/lib/modules")

sources=$board/kernel/usr/src
# Builds a module for the board's kernel: `module NAME FOLDER OPTION…`.
module() {
    local name=$1 folder=$2
    shift 2
    # Debian's headers name each other by where a package would have put them.
    sed -i "s|^include /usr/src|include $sources|" "$sources/linux-headers-$version/Makefile"
    make -s -C "$sources/linux-headers-$version" M="$folder" "$@" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- \
        CC=aarch64-linux-gnu-gcc modules > "$board/$name.log" 2>&1 || { cat "$board/$name.log" >&2; exit 1; }
    install -D -m 644 "$folder/$name.ko" "$board/kernel/lib/modules/$version/extra/$name.ko"
    depmod -b "$board/kernel" "$version"
}
if stage v4l2loopback "$packages" "$0"; then
    module v4l2loopback "$(echo "$sources"/v4l2loopback-*)"
    finished
fi
modules=$hash

# A screen that is nowhere, with overlay planes. Debian builds this driver of the kernel's for other processors only. One
# parameter is ours: with enable_scaling its planes may show what is smaller. It draws nothing then; planes.c does.
if stage vkms "$packages" "$0"; then
    # shellcheck source=board/apt.sh
    . "$root/board/apt.sh"
    private_apt "$board/apt"
    of_image=$(sed -n 's/^linux-image-[^_]*_\(.*\)_arm64.deb$/\1/p' "$board/versions")
    source=linux-source-${version%%.0-*}
    # Debian may have replaced the image's very version since; within a series this driver hardly changes.
    (cd "$board" && { apt-get -qq download "$source=$of_image" 2> /dev/null || apt-get -qq download "$source"; })
    dpkg-deb --fsys-tarfile "$board/$source"_*.deb | tar -xO "./usr/src/$source.tar.xz" \
        | tar -xJ -C "$sources" --strip-components=4 --wildcards "$source/drivers/gpu/drm/vkms/*" --one-top-level=vkms
    rm "$board/$source"_*.deb
    sed -i -e '0,/^static/s//#include <linux\/module.h>\nstatic bool enable_scaling;\nmodule_param(enable_scaling, bool, 0444);\n&/' \
        -e '0,/DRM_PLANE_NO_SCALING/s//enable_scaling ? 1 : &/' "$sources/vkms/vkms_plane.c"
    module vkms "$sources/vkms" CONFIG_DRM_VKMS=m
    finished
fi
modules="$modules $hash"

if stage ssh ""; then
    rm -f "$board/key" "$board/key.pub"
    ssh-keygen -q -t ed25519 -N '' -C 'tests of Phicam' -f "$board/key"
    cat > "$board/ssh_config" <<CONF
# The host key is made at each boot: there is nothing to know it by.
Host board
    HostName 127.0.0.1
    User root
    IdentityFile "$board/key"
    IdentitiesOnly yes
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
    BatchMode yes
    ConnectTimeout 30
CONF
    finished
fi

if stage initrd "$packages $modules" "$0" "$board/key.pub" "$here"/{initrd.sh,modules.sh,init,inittab,rc,mdev.conf,play.c,planes.c}; then
    "$here/initrd.sh"
    finished
fi

if stage disk "512 MiB, nothing kept back for root"; then
    rm -f "$board/disk.img"
    truncate -s 512M "$board/disk.img"
    mke2fs -q -t ext4 -m 0 -L data "$board/disk.img"
    finished
fi
echo "board: ready in target/board, kernel $version ($SECONDS s)"
