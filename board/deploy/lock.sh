# shellcheck shell=sh
# Part of on-board.sh: one at a time, and how it speaks.
# The lock is a link, made whole in one step: "PID:STARTED:WHAT", STARTED since another process may have the number by
# now.
say() { echo "board: $*" >&2; }
die() { say "$*"; exit 1; }
uptime_s() { cut -d. -f1 /proc/uptime; } # not the date: boards without a clock set it when they find the network

started() { sed 's/.*) //' "/proc/$1/stat" 2> /dev/null | cut -d' ' -f20; }
unlock() { case $(readlink "$work/lock") in "$$:"*) rm -f "$work/lock" ;; esac; }
try_lock() {
    mkdir -p "$work"
    while ! ln -s "$$:$(started $$):$1" "$work/lock" 2> /dev/null; do
        holder=$(readlink "$work/lock") || continue
        pid=${holder%%:*} then=${holder#*:} doing=${holder##*:}
        [ "$(started "$pid")" != "${then%%:*}" ] || return 1
        mv "$work/lock" "$work/lock.stale.$$" 2> /dev/null && rm -f "$work/lock.stale.$$"
    done
}
lock() {
    left=$((health_s * 2 + 60)) still=0 size=''
    until try_lock "$1"; do
        [ "$still" != 0 ] || [ -n "$size" ] || say "process $pid is at work here ($doing), waiting for its end"
        [ "$left" -gt 0 ] || die "process $pid has not ended ($doing); look at \`just status\`, then deploy again"
        # The ssh of a connection that was cut without a word waits for hours.
        if [ "$doing" = receive ]; then
            was=$size size=$(du -sk "$objects" | cut -f1)
            if [ "$size" = "$was" ]; then still=$((still + 1)); else still=0; fi
            [ "$still" -lt "$STUCK_S" ] || { say "its transfer is stuck: ended"; kill "$pid"; still=0; }
        fi
        size=${size:-0}
        sleep 1
        left=$((left - 1))
    done
    trap unlock EXIT
}

