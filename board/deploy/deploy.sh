#!/usr/bin/env bash
# Puts Phicam on a board by ssh and looks after it there; README.md beside this says how. On the board: on-board.sh.
#   deploy.sh deploy USER@HOST [BOARD]     BOARD: a name in board/, or a board file
#   deploy.sh rollback|status|logs|undeploy USER@HOST [-f|--purge]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
program=${PHICAM_PROGRAM:-$repository/target/aarch64-unknown-linux-gnu/dist/phicam}
models=${PHICAM_MODELS:-$repository/models}
PARTS="on-board.sh lock.sh releases.sh service.sh jetson.sh"

say() { echo "deploy: $*" >&2; }
die() { say "$*"; exit 1; }
quoted() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

[ $# -ge 2 ] || { sed -n '3,4s/^# *//p' "$0" >&2; exit 2; }
command=$1 host=$2
shift 2

stage=$(mktemp -d)
ssh=(ssh) shared=''
trap '[ -z "$shared" ] || "${ssh[@]}" -O exit "$host" 2> /dev/null || true; rm -rf "$stage"' EXIT
if [ -n "${PHICAM_SSH:-}" ]; then
    read -ra ssh <<< "$PHICAM_SSH"
elif asked=$(ssh -G "$host" 2> /dev/null); then
    # One connection for all, and one that notices when the board is gone; what the user's configuration says goes first.
    grep -q '^controlpath ' <<< "$asked" ||
        { ssh+=(-o ControlMaster=auto -o "ControlPath=$stage/%C" -o ControlPersist=10); shared=yes; }
    ! grep -q '^serveraliveinterval 0' <<< "$asked" || ssh+=(-o ServerAliveInterval=10)
fi

# Runs the script as root on the board, whatever shell the user has there.
on_board() {
    local setup inner as_root
    setup="PHICAM_ROOT=$(quoted "${PHICAM_ROOT:-}") PHICAM_HEALTH_S=$(quoted "${PHICAM_HEALTH_S:-}")"
    setup+=" PHICAM_STEADY_S=$(quoted "${PHICAM_STEADY_S:-}") PHICAM_LOADER=${loader:-} PHICAM_GLIBC=${glibc:-}"
    setup+=" PHICAM_PREPARE=$(quoted "${PHICAM_PREPARE:-}")"
    inner="export $setup; $1"
    as_root="if [ \$(id -u) = 0 ] || [ -n $(quoted "${PHICAM_ROOT:-}") ]; then exec sh -c $(quoted "$inner");"
    as_root+=" elif sudo -n true; then exec sudo -n sh -c $(quoted "$inner");"
    as_root+=" else echo 'deploy: root is needed on the board: log in as root, or let this user run sudo without a"
    as_root+=" password (NOPASSWD)' >&2; exit 1; fi"
    "${ssh[@]}" "$host" "sh -c $(quoted "$as_root")"
}
kit=${PHICAM_ROOT:-}/run/phicam-deploy
# The script and what it needs to know go first, then it runs: small, and always the one of this version.
send_kit_and() {
    tar -C "$stage/kit" -cf - . | on_board "mkdir -p $kit && tar -xof - -C $kit && exec sh $kit/on-board.sh $*"
}
mkdir "$stage/kit" "$stage/objects"
for part in $PARTS; do cp "$here/$part" "$stage/kit/"; done

if [ "$command" != deploy ]; then
    kit+=/$command
    send_kit_and "$command" "$@"
    exit
fi

[ -f "$program" ] || die "$program is not there: \`just build aarch64\` first, or name one with PHICAM_PROGRAM"
[ -f "$models/catalog.toml" ] || die "$models has no catalog.toml: name the folder of models with PHICAM_MODELS"

# --- The release: its manifest, and its files by content
add() { # add FILE PATH MODE
    local sha size
    sha=$(sha256sum < "$1" | cut -d' ' -f1)
    size=$(stat -c %s "$1")
    echo "$sha $3 $size $2" >> "$stage/kit/MANIFEST"
    ln -sf "$(realpath "$1")" "$stage/objects/$sha"
}
add "$program" phicam 755
add "$models/catalog.toml" models/catalog.toml 644
sed -n 's/^\(file\|labels\) *= *"\([^"]*\)".*/\2/p' "$models/catalog.toml" | sort -u > "$stage/models"
# Licences go wherever the networks go.
while read -r file; do
    for notice in "$models/$(dirname "$file")"/{NOTICE,LICENSE}*; do
        [ ! -f "$notice" ] || echo "$(dirname "$file")/$(basename "$notice")"
    done
done < "$stage/models" | sort -u > "$stage/notices"
while read -r file; do add "$models/$file" "models/$file" 644; done < <(cat "$stage/models" "$stage/notices")
add "$here/start" start 755
for file in $PARTS boot supervise.sh phicam.service phicam-confirm.service; do
    mode=644
    [ ! -x "$here/$file" ] || mode=755
    add "$here/$file" "deploy/$file" "$mode"
done
if [ $# -gt 0 ] && [ -n "$1" ]; then
    board=$1
    [[ $board == *.toml ]] || board=$repository/board/$1.toml
    [ -f "$board" ] || die "there is no $board; there are: $(cd "$repository/board" && echo *.toml | sed 's/\.toml//g'), or name a file that ends in .toml"
    add "$board" board.toml 644
fi
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml" | head -1)
id=$version-$(sha256sum < "$stage/kit/MANIFEST" | cut -c1-12)
kit+=/$id

# --- What the program needs: the loader and the C library, which its own bytes tell. A script needs neither.
loader='' glibc=''
if [ "$(head -c 4 "$program" | tail -c 3)" = ELF ]; then
    case $(od -An -tu1 -j18 -N1 "$program" | tr -d ' ') in
        183) loader=/lib/ld-linux-aarch64.so.1 ;;
        62) loader=/lib64/ld-linux-x86-64.so.2 ;;
        *) die "$program is for another processor than aarch64 and x86-64" ;;
    esac
    glibc=$(grep -aoE 'GLIBC_2\.[0-9]+' "$program" | sort -Vu | tail -1 | cut -d_ -f2)
fi

say "release $id, $(wc -l < "$stage/kit/MANIFEST") files, to $host"
send_kit_and probe > "$stage/missing" ||
    die "nothing was sent; what runs on the board is as it was"
total=$(awk '{ sum += $2 } END { print sum + 0 }' "$stage/missing")
if [ ! -s "$stage/missing" ]; then
    say "sent 0 bytes of 0 files: all are there"
    on_board "exec sh $kit/on-board.sh install $id" < /dev/null && code=0 || code=$?
else
    while read -r sha size; do
        say "  $(awk -v sha="$sha" '$1 == sha { print $4; exit }' "$stage/kit/MANIFEST"): $size bytes"
    done < "$stage/missing"
    say "sending $total bytes of $(wc -l < "$stage/missing") files"
    cut -d' ' -f1 "$stage/missing" > "$stage/names"
    tar -C "$stage/objects" -chf - -T "$stage/names" | on_board "exec sh $kit/on-board.sh receive $id" && code=0 || code=$?
    [ "$code" != 0 ] || say "sent $total bytes of $(wc -l < "$stage/missing") files"
fi
case $code in
    0) say "$id runs on $host" ;;
    255) die "the connection was cut (ssh: 255). If all had come, the board goes on by itself: \`just status $host\`; else deploy again" ;;
    *) die "not deployed" ;;
esac
