#!/bin/sh
# Keeps Phicam running where there is no systemd: start, stop, restart, status; `as-user WORD…` runs something as the
# service's user. Needs busybox or coreutils only. Starts it again for ever, after 1 s at first and 30 s at the most.
set -u
umask 022
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
root=${PHICAM_ROOT:-}
prefix=$root/opt/phicam
state=$root/var/lib/phicam
runtime=$root/run/phicam
log=$root/var/log/phicam.log
pidfile=$root/run/phicam-supervise.pid
MOST_LOG_KIB=1024 MOST_WAIT_S=30 STEADY_S=10 STOP_S=10

note() { echo "supervise: $*" >> "$log"; }
uptime_s() { cut -d. -f1 /proc/uptime; }

# In the shell's words, each quoted.
quoted() { for word; do printf "'%s' " "$(printf %s "$word" | sed "s/'/'\\\\''/g")"; done; }

# Becomes `WORD…` as the service's user with all its groups. Not by setuidgid or chpst: they drop the groups that open
# the devices.
as_user() {
    if [ "$(id -u)" != 0 ] || [ -n "$root" ]; then
        exec "$@"
    elif setpriv --help 2>&1 | grep -q init-groups; then
        exec setpriv --reuid phicam --regid phicam --init-groups "$@"
    fi
    exec su -s /bin/sh -c "exec $(quoted "$@")" phicam
}

# The supervisor's process, if it runs: the number in the file may be another's by now.
supervisor() {
    pid=$(cat "$pidfile" 2> /dev/null) || return 1
    tr '\0' ' ' < "/proc/$pid/cmdline" 2> /dev/null | grep -q 'supervise.sh watch' && echo "$pid"
}

# Programs that a supervisor left behind when it was killed.
orphans() {
    for process in /proc/[0-9]*; do
        case $(readlink "$process/exe") in "$prefix"/releases/*/phicam*) echo "${process#/proc/}" ;; esac
    done
}

# The log stays below twice its limit: the program goes on writing at the end of the emptied file.
rotate() {
    [ "$(du -k "$log" | cut -f1)" -gt "$MOST_LOG_KIB" ] || return 0
    cp "$log" "$log.1"
    : > "$log"
}

watch() {
    # Only one, also of two that start at once.
    ! supervisor > /dev/null || exit 1
    rm -f "$pidfile"
    (set -C; echo $$ > "$pidfile") 2> /dev/null || exit 1
    (while sleep 5 && kill -0 $$ 2> /dev/null; do rotate; done) &
    rotation=$!
    stopping='' child='' wait_s=1
    trap 'stopping=yes; [ -z "$child" ] || kill "$child" 2> /dev/null' TERM INT
    trap '' HUP
    while [ -z "$stopping" ]; do
        began=$(uptime_s)
        note "starts $(readlink "$prefix/current")"
        (STATE_DIRECTORY=$state RUNTIME_DIRECTORY=$runtime as_user "$prefix/current/start") < /dev/null >> "$log" 2>&1 &
        child=$!
        [ -z "$stopping" ] || kill "$child" # told to stop before its number was known
        wait "$child"
        code=$?
        if [ -n "$stopping" ]; then
            (sleep "$STOP_S" && kill -9 "$child") 2> /dev/null &
            wait "$child"
            kill $! 2> /dev/null
            break
        fi
        child=''
        [ $(($(uptime_s) - began)) -lt "$STEADY_S" ] || wait_s=1
        note "it ended with code $code, again in $wait_s s"
        sleep "$wait_s" &
        wait $!
        wait_s=$((wait_s * 2 < MOST_WAIT_S ? wait_s * 2 : MOST_WAIT_S))
    done
    kill "$rotation" 2> /dev/null
    rm -f "$pidfile"
    note stopped
}

start() {
    [ -e "$prefix/current/start" ] || { echo "phicam: nothing is deployed: $prefix/current is not there" >&2; exit 1; }
    pid=$(supervisor) && { echo "phicam runs already, supervised by process $pid"; return; }
    mkdir -p "$state" "$runtime" "${log%/*}"
    [ -n "$root" ] || chown phicam: "$state" "$runtime"
    detach='nohup'
    ! command -v setsid > /dev/null || detach='setsid'
    $detach sh "$0" watch < /dev/null > /dev/null 2>&1 &
    # A power cut in the middle of a deploy: is what was switched to well? (A deploy that is under way asks itself.)
    [ ! -e "$prefix/unconfirmed" ] || $detach sh "$prefix/current/deploy/on-board.sh" confirm < /dev/null >> "$log" 2>&1 &
}

stop() {
    if pid=$(supervisor); then
        kill "$pid"
        limit=$(($(uptime_s) + STOP_S + 5))
        while supervisor > /dev/null && [ "$(uptime_s)" -lt "$limit" ]; do sleep 0.2 2> /dev/null || sleep 1; done
        ! supervisor > /dev/null || kill -9 "$pid"
    fi
    for pid in $(orphans); do kill -9 "$pid"; done 2> /dev/null
    rm -f "$runtime/health.json" "$pidfile"
}

case ${1:-} in
    start) start ;;
    stop) stop ;;
    restart) stop; start ;;
    status) pid=$(supervisor) || { echo "not running"; exit 3; }; echo "supervised by process $pid" ;;
    watch) watch ;;
    as-user) shift; as_user "$@" ;;
    *) echo "usage: supervise.sh start|stop|restart|status" >&2; exit 2 ;;
esac
