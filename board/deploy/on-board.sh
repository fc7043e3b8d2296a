#!/bin/sh
# The board's side of deploy.sh: probe, receive, install, rollback, status, logs, undeploy; confirm (after a power cut). As root, with what
# busybox or coreutils have. What is below /opt/phicam:
#   objects/SHA256      every file of the releases kept here, by content
#   releases/ID         a release, its files hard-linked from objects; MANIFEST lists them: sha256, mode, size, path
#   current, previous   links to the release that runs and the one before; failed: the last one that did not get well
#   unconfirmed         "NEW OLD" from the switch to NEW until it is known to be well
# PHICAM_ROOT puts all of it, and /etc, /run, /var, below another folder: a trial, without users and without systemd.
set -u
umask 022
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
root=${PHICAM_ROOT:-}
prefix=$root/opt/phicam
objects=$prefix/objects
work=$root/run/phicam-deploy
here=$(dirname "$0")
health_s=${PHICAM_HEALTH_S:-90} # how long a release may take until it is well; 0: it is not asked
STEADY_S=${PHICAM_STEADY_S:-5}  # how long the same process has to stay well: one that crashes now and then is not
STUCK_S=15                      # a transfer that brings nothing for so long is dead
SPARE_KIB=1024                  # left free beside what is sent, for folders and what the board writes meanwhile

. "$here/lock.sh"
. "$here/releases.sh"
. "$here/service.sh"
. "$here/jetson.sh"

# --- What deploy.sh asks first
version_of_libc() {
    { getconf GNU_LIBC_VERSION || "$PHICAM_LOADER" --version || ldd --version; } 2> /dev/null |
        sed -n '1s/.*[^0-9.]\([0-9]*\.[0-9]*\)[^0-9]*$/\1/p'
}
probe() {
    for tool in awk cmp cut df du grep ln readlink sed sha256sum sort tar timeout tr; do
        command -v "$tool" > /dev/null || die "there is no \`$tool\` here; install busybox or coreutils"
    done
    machine=$(uname -m)
    libc='not asked'
    if [ -n "${PHICAM_LOADER:-}" ]; then
        [ -e "$PHICAM_LOADER" ] || die "this is $machine without $PHICAM_LOADER, which the program needs: another" \
            "processor, a 32-bit system or no glibc; install a 64-bit system with glibc $PHICAM_GLIBC or later"
        libc=$(version_of_libc)
        [ -z "$libc" ] || [ "${libc#*.}" -ge "${PHICAM_GLIBC#*.}" ] ||
            die "glibc is $libc here, the program needs $PHICAM_GLIBC; install a newer system"
    fi
    groups=$(here_groups)
    set -- /dev/video*
    cameras=$#
    [ -e "$1" ] || cameras=0
    starter='no systemd'
    ! has_systemd || starter=systemd
    say "$machine, glibc ${libc:-of unknown version}, $starter; video nodes: $cameras; groups: ${groups:-none}"
    say_jetson
    [ "$cameras" -gt 0 ] || say "no camera is there (/dev/video*): connect one, or deploy with a board file without one"
    ! has_systemd || grep -q memory /sys/fs/cgroup/cgroup.controllers 2> /dev/null ||
        say "the kernel has no memory controller: MemoryMax has no effect (cgroup_enable=memory on its command line)"

    lock probe
    mkdir -p "$objects" "$prefix/releases" || exit 1
    for incoming in "$prefix"/objects/incoming.*; do [ ! -d "$incoming" ] || file_in "$incoming"; done
    list=$(missing by-content)
    need=$(echo "$list" | awk -v kib="$SPARE_KIB" 'NF { kib += int($2 / 1024) + 5 } END { print kib }')
    if [ -n "$list" ] && [ "$(free_kib)" -lt "$need" ]; then
        rm -f "$prefix/failed"
        sweep "$here/MANIFEST"
        [ "$(free_kib)" -ge "$need" ] || die "disk full: $need KiB are needed, $(free_kib) KiB are free below $prefix;" \
            "free some (journalctl --vacuum-size=20M, old files), then deploy again. What runs is as it was"
    fi
    [ -z "$list" ] || echo "$list" | sort -n -k2,2 # the small first: more comes whole before a cut
}

# Objects from standard input, as tar. What is whole stays, whatever happens to the connection.
receive() {
    exec 3<&0
    lock receive
    trap '' HUP PIPE
    incoming=$objects/incoming.$$
    mkdir -p "$incoming"
    # `o`: not the sender's owner. In the background, since a shell in the middle of a command hears no signal.
    tar -xof - -C "$incoming" <&3 & 
    tar=$!
    trap 'kill "$tar" 2> /dev/null' TERM
    wait "$tar"
    file_in "$incoming"
    left=$(missing by-name | wc -l)
    [ "$left" = 0 ] || die "the transfer was cut: $left files did not come whole; deploy again, which sends only those." \
        "What runs is as it was"
    unlock
}

# All that changes anything, in a process of its own: no connection is needed any more.
finish() {
    id=$1
    trap '' HUP PIPE
    lock finish
    recover
    make_user
    place "$id" || die "the release cannot be put together (disk full?); what runs is as it was. Deploy again"
    ask "$id"
    if [ "$id" = "$(release_at current)" ] && [ -n "$process" ]; then
        install_service "$id"
        say "$id runs already and is well ($words): nothing to do"
        return 0
    fi
    release=$prefix/releases/$id
    for words in --version 'models list'; do
        # shellcheck disable=SC2086
        said=$(cd / && PHICAM_STATE=$root/var/lib/phicam sh "$release/deploy/supervise.sh" as-user "$release/phicam" $words 2>&1) ||
            die "\`phicam $words\` fails here, so it was not switched to: $said. What runs is as it was"
    done
    prepare_jetson "$release"
    switch "$id"
    code=$?
    sweep
    find "$work" -mindepth 1 -maxdepth 1 -type d -mmin +60 -exec rm -rf {} + 2> /dev/null
    return $code
}
# Starts `$@` of this script detached, and tells what it says until it ends; its code is ours.
detached() {
    log=$work/$1.$$.log
    rm -f "$log.code"
    : > "$log"
    detach='nohup'
    ! command -v setsid > /dev/null || detach='setsid'
    # shellcheck disable=SC2016
    $detach sh -c 'log=$1; shift; sh "$@" > "$log" 2>&1; echo $? > "$log.code"' sh "$log" "$0" "$@" < /dev/null > /dev/null 2>&1 &
    pid=$! shown=0 ended=''
    while :; do
        # Killed, it leaves no code: its process is gone, or not yet taken off the list.
        case $(sed 's/.*) //' "/proc/$pid/stat" 2> /dev/null) in '' | Z*) ended=yes ;; esac
        [ ! -e "$log.code" ] || ended=yes
        lines=$(wc -l < "$log")
        [ "$lines" -le "$shown" ] || sed -n "$((shown + 1)),${lines}p" "$log" >&2
        shown=$lines
        [ -z "$ended" ] || break
        sleep 0.2 2> /dev/null || sleep 1
    done
    code=$(cat "$log.code" 2> /dev/null) || { code=1; say "the process that finished this was killed; deploy again"; }
    rm -f "$log" "$log.code"
    exit "$code"
}

rollback() {
    [ -e "$prefix/previous" ] || die "there is no release before the one that runs"
    lock rollback
    recover
    switch "$(release_at previous)"
}

status() {
    for link in current previous failed; do
        [ ! -e "$prefix/$link" ] || echo "$link  $(release_at $link)"
    done
    [ ! -e "$prefix/unconfirmed" ] || echo "not yet known to be well: the last deploy is being finished, or was cut"
    [ -e "$prefix/current" ] || { echo "nothing is deployed"; return 3; }
    if has_systemd; then
        systemctl show phicam.service --property ActiveState,SubState,NRestarts,ActiveEnterTimestamp
    else
        sh "$prefix/current/deploy/supervise.sh" status
    fi
    PHICAM_RUNTIME=$root/run/phicam "$prefix/current/phicam" health
}

undeploy() {
    lock undeploy
    [ ! -e "$prefix/current" ] || stop
    remove_service
    made=''
    [ ! -e "$prefix/made-user" ] || made=yes
    rm -rf "$prefix" "$root/run/phicam" "$root/var/log/phicam.log" "$root/var/log/phicam.log.1"
    if [ "${1:-}" != --purge ]; then
        say "removed; $root/var/lib/phicam, what it remembers, is kept (--purge removes that and the user too)"
        return
    fi
    rm -rf "$root/var/lib/phicam"
    [ -z "$made" ] || userdel phicam 2> /dev/null || deluser phicam
    say "removed, with all that it remembered"
}

command=${1:-}
[ $# = 0 ] || shift
case $command in
    probe) probe ;;
    receive) receive; detached finish "$1" ;;
    install) detached finish "$1" ;;
    finish) finish "$1" ;;
    confirm) try_lock confirm || exit 0; trap unlock EXIT; recover ;;
    rollback) rollback ;;
    status) status ;;
    logs) last_lines 50 "$@" ;;
    undeploy) undeploy "$@" ;;
    *) die "on-board.sh knows no \`$command\`" ;;
esac
