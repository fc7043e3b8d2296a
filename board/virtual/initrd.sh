#!/usr/bin/env bash
# Packs the virtual board's initial file system, target/board/initrd.img, from what setup.sh has unpacked and built.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
board=$(cd "$here/../../target/board" && pwd)
# The second line is for tests that ask for them.
MODULES="virtio_pci virtio_net virtio_blk virtio-rng virtio-gpu crc32c_generic ext4 v4l2loopback
    vivid vkms bochs evdev uvcvideo dummy_hcd usb_f_uvc libcomposite spi-gpio spidev i2c-gpio i2c-dev"

tree=$board/tree
rm -rf "$tree"
mkdir -p "$tree"/usr/{bin,sbin,lib} "$tree"/{proc,sys,dev,run,tmp,data,opt,var/lib,var/log,root/.ssh,etc/init.d}
for folder in bin sbin lib; do ln -s "usr/$folder" "$tree/$folder"; done
for folder in bin sbin lib usr/bin usr/sbin usr/lib; do
    [ ! -d "$board/guest/$folder" ] || cp -a "$board/guest/$folder/." "$tree/usr/${folder#usr/}/"
done
rm -rf "$tree"/usr/lib/{systemd,udev,aarch64-linux-gnu/{gconv,perl*}} "$tree"/usr/bin/{cec-*,ir-ctl,rds-ctl}

# shellcheck source=board/virtual/modules.sh
. "$here/modules.sh"
# shellcheck disable=SC2086
put_modules "$tree" $MODULES

for tool in play planes; do
    aarch64-linux-gnu-gcc -static -O2 -Wall -Wextra -Werror -o "$tree/usr/bin/$tool" "$here/$tool.c"
done
install -m 755 "$here/init" "$tree/init"
install -m 755 "$here/rc" "$tree/etc/rc"
install -m 644 "$here/inittab" "$here/mdev.conf" "$tree/etc/"
install -m 600 "$board/key.pub" "$tree/root/.ssh/authorized_keys"
chmod 700 "$tree/root" "$tree/root/.ssh"
chmod 1777 "$tree/tmp"
ln -s /proc/mounts "$tree/etc/mtab"
echo /bin/sh > "$tree/etc/shells"
cat > "$tree/etc/passwd" <<'USERS'
root:x:0:0:root:/root:/bin/sh
phicam:x:1000:1000:Phicam:/var/lib/phicam:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/sh
USERS
cat > "$tree/etc/group" <<'GROUPS'
root:x:0:
tty:x:5:
video:x:44:phicam
render:x:106:phicam
spi:x:110:phicam
i2c:x:111:phicam
gpio:x:112:phicam
phicam:x:1000:
nogroup:x:65534:
GROUPS
(cd "$tree" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | zstd -q -3 -T0) > "$board/initrd.img.new"
mv "$board/initrd.img.new" "$board/initrd.img"
rm -rf "$tree"
