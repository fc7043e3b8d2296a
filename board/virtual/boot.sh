#!/usr/bin/env bash
# Boots a virtual board in the foreground: board/virtual/boot.sh FOLDER PORT [systemd] [QEMU OPTION…], after setup.sh
# (and systemd.sh, which makes the other system). FOLDER gets
# its disk (kept if there is one), serial.log and the socket qmp.sock; ssh listens on 127.0.0.1:PORT (0: a free one, which
# qemu's `info usernet` tells).
set -euo pipefail
board=$(cd "$(dirname "$0")/../../target/board" && pwd)
[ $# -ge 2 ] || { echo "usage: board/virtual/boot.sh FOLDER PORT [systemd] [QEMU OPTION…]" >&2; exit 2; }
folder=$1 port=$2
shift 2

mkdir -p "$folder"
disk=disk.img initrd=initrd.img
if [ "${1:-}" = systemd ]; then
    disk=systemd.img initrd=systemd-initrd.img
    shift
fi
[ -e "$folder/disk.img" ] || cp --sparse=always "$board/$disk" "$folder/disk.img"
rm -f "$folder/qmp.sock"
exec qemu-system-aarch64 -M virt -cpu cortex-a72 -smp 2 -m 1024 -accel tcg,thread=multi -display none -monitor none \
    -kernel "$board/vmlinuz" -initrd "$board/$initrd" -append "console=ttyAMA0 loglevel=5 panic=-1 net.ifnames=0" \
    -serial "file:$folder/serial.log" -qmp "unix:$folder/qmp.sock,server=on,wait=off" -no-reboot \
    -drive "if=none,id=disk,format=raw,file=$folder/disk.img" -device virtio-blk-pci,drive=disk \
    -netdev "user,id=net,hostfwd=tcp:127.0.0.1:$port-:22" -device virtio-net-pci,netdev=net,romfile= \
    -device virtio-gpu-pci,xres=800,yres=480 -device virtio-rng-pci "$@"
