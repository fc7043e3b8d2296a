# Sourced by what packs a system for the virtual board: `put_modules FOLDER NAME…` puts these modules of the board's kernel
# into FOLDER, with all that they need. Wants $board, target/board.
# shellcheck shell=bash disable=SC2154
put_modules() {
    local tree=$1 version name file
    shift
    version=$(ls "$board/kernel/lib/modules")
    for name in "$@"; do
        modprobe -d "$board/kernel" -S "$version" --show-depends "$name" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | sort -u | while read -r file; do
        install -D -m 644 "$file" "$tree/usr/lib/modules/$version/${file#*"/$version/"}"
    done
    cp "$board/kernel/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$tree/usr/lib/modules/$version/"
    depmod -b "$tree" "$version"
}
