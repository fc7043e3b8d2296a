#!/usr/bin/env bash
# A second system for the virtual board: Debian with systemd and udev, as real boards have them, on a disk of its own.
# Below target/board, after setup.sh; 60 MB of downloads, once. Boots with: board/virtual/boot.sh FOLDER PORT systemd
#
# No package's scripts are run, as that would need ARM's processor: what they would have set up is written here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
board=$root/target/board
PACKAGES="base-files base-passwd bash coreutils dash debianutils diffutils dropbear-bin findutils gawk grep gzip hostname
    iproute2 kmod libc-bin login mount passwd procps sed sudo systemd systemd-sysv tar udev util-linux v4l-utils"
MODULES="virtio_pci virtio_net virtio_blk virtio-rng virtio-gpu ext4 v4l2loopback vivid"

made=$({ echo "$PACKAGES $MODULES"; cat "$0" "$here/modules.sh" "$board/initrd.hash" "$board/key.pub"; } | sha256sum)
[ "$(cat "$board/systemd.hash" 2> /dev/null)" != "$made" ] || exit 0
export PATH=$PATH:/usr/sbin:/sbin
tree=$board/systemd
rm -rf "$tree"
mkdir -p "$tree"/usr/{bin,sbin,lib} "$tree"/{proc,sys,dev,run,tmp,root/.ssh,var/lib,var/log,opt,home}
for folder in bin sbin lib; do ln -s "usr/$folder" "$tree/$folder"; done

# Packages with all that they need, unpacked only; /bin and /lib are links, which dpkg -x would replace.
# shellcheck source=board/apt.sh
. "$root/board/apt.sh"
private_apt "$board/systemd-apt"
archives=$board/systemd-apt/cache/archives
# shellcheck disable=SC2086
apt-get -qq -y --download-only --no-install-recommends install $PACKAGES > "$board/systemd.log"
for package in "$archives"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$tree" --keep-directory-symlink
done

# shellcheck source=board/virtual/modules.sh
. "$here/modules.sh"
# shellcheck disable=SC2086
put_modules "$tree" $MODULES
echo v4l2loopback > "$tree/etc/modules-load.d/camera.conf"
echo 'options v4l2loopback video_nr=0 card_label="Virtual camera" exclusive_caps=1' > "$tree/etc/modprobe.d/camera.conf"

# What the packages' scripts do: users and groups, links, nothing that this machine could tell by itself.
cp "$tree/usr/share/base-passwd/passwd.master" "$tree/etc/passwd"
cp "$tree/usr/share/base-passwd/group.master" "$tree/etc/group"
sed -i 's|^root:[^:]*:|root::|' "$tree/etc/passwd"
printf '%s:x:%s:\n' input 104 render 106 kvm 107 sgx 108 messagebus 109 >> "$tree/etc/group"
ln -sf /proc/self/mounts "$tree/etc/mtab"
ln -sf dash "$tree/usr/bin/sh"
ln -sf gawk "$tree/usr/bin/awk"
: > "$tree/etc/machine-id"
echo board > "$tree/etc/hostname"
printf "%s\n" /bin/sh /bin/bash > "$tree/etc/shells"
echo /dev/vda / ext4 noatime 0 1 > "$tree/etc/fstab"
install -m 600 "$board/key.pub" "$tree/root/.ssh/authorized_keys"
chmod 700 "$tree/root" "$tree/root/.ssh"
chmod 1777 "$tree/tmp"
aarch64-linux-gnu-gcc -static -O2 -o "$tree/usr/bin/play" "$here/play.c"

cat > "$tree/etc/systemd/system/network.service" <<'UNIT'
[Unit]
Description=The virtual board's network
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'ip link set lo up; until [ -e /sys/class/net/eth0 ]; do sleep 0.2; done; ip link set eth0 up; \
    ip address add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2'
[Install]
WantedBy=multi-user.target
UNIT
cat > "$tree/etc/systemd/system/ssh.service" <<'UNIT'
[Unit]
Description=ssh for the tests
After=network.service
[Service]
ExecStartPre=/bin/sh -c '[ -e /run/host_key ] || dropbearkey -t ed25519 -f /run/host_key'
ExecStart=/usr/sbin/dropbear -F -E -s -r /run/host_key -p 22
ExecStartPost=/bin/sh -c 'echo "board: up" > /dev/ttyAMA0'
KillMode=process
[Install]
WantedBy=multi-user.target
UNIT
mkdir -p "$tree/etc/systemd/system/multi-user.target.wants"
for unit in network ssh; do
    ln -s "/etc/systemd/system/$unit.service" "$tree/etc/systemd/system/multi-user.target.wants/$unit.service"
done
ln -sf /lib/systemd/system/multi-user.target "$tree/etc/systemd/system/default.target"
for unit in systemd-firstboot getty-static serial-getty@ttyAMA0 apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer; do
    case $unit in *.timer) ;; *) unit=$unit.service ;; esac
    ln -sf /dev/null "$tree/etc/systemd/system/$unit"
done
rm -rf "$tree"/usr/share/{doc,man,locale,info,lintian,bug,perl5} "$tree"/var/cache/* "$tree"/usr/lib/aarch64-linux-gnu/{gconv,perl*}

rm -f "$board/systemd.img"
truncate -s 1G "$board/systemd.img"
mke2fs -q -t ext4 -L root -E root_owner=0:0 -d "$tree" "$board/systemd.img"

# The kernel has no driver for the disk built in: a first system that loads it and goes over to the disk.
first=$board/systemd-first
rm -rf "$first"
mkdir -p "$first"/{bin,proc,sys,dev,mnt,usr/lib}
ln -s usr/lib "$first/lib"
cp "$board/guest/bin/busybox" "$first/bin/"
put_modules "$first" virtio_pci virtio_blk crc32c_generic ext4
cat > "$first/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in virtio_pci virtio_blk crc32c_generic ext4; do modprobe "$module"; done
until [ -b /dev/vda ]; do sleep 0.1; done
mount -t ext4 -o rw,noatime /dev/vda /mnt || exec sh
mount --move /dev /mnt/dev
umount /sys /proc
exec switch_root /mnt /sbin/init
INIT
chmod 755 "$first/init"
(cd "$first" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | zstd -q -3 -T0) > "$board/systemd-initrd.img"
rm -rf "$first" "$tree" "$archives"
echo "$made" > "$board/systemd.hash"
echo "board: system with systemd made ($SECONDS s)"
