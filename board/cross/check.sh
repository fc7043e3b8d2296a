#!/usr/bin/env bash
# Whether a program is one for the boards: 64-bit ARM, no newer glibc than JetPack 4's 2.27, no library but libc's own.
set -euo pipefail
program=$1
LIMIT=2.27

case $(readelf -h "$program") in
    *AArch64*) ;;
    *) echo "$program: no program for 64-bit ARM" >&2; exit 1 ;;
esac
needs=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort)
for library in $needs; do
    case $library in
        libc.so.6 | libm.so.6 | libdl.so.2 | libpthread.so.0 | librt.so.1 | libutil.so.1 | libgcc_s.so.1 | ld-linux-aarch64.so.1) ;;
        *) echo "$program: needs $library, which a board may lack" >&2; exit 1 ;;
    esac
done
highest=$(readelf -V "$program" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -1)
if [ "$(printf '%s\n' "$highest" "$LIMIT" | sort -V | tail -1)" != "$LIMIT" ]; then
    echo "$program: needs glibc $highest, $LIMIT is the newest that all boards have" >&2
    exit 1
fi
echo "$program: $(stat -c %s "$program") bytes, glibc $highest or later, needs" $needs
