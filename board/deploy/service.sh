# shellcheck shell=sh
# Part of on-board.sh: the user, the service and its log, with systemd and without.
UNITS="phicam.service phicam-confirm.service"
BOOT="/opt/phicam/current/deploy/boot start" # what an init has to run
has_systemd() { [ -z "$root" ] && [ -d /run/systemd/system ]; }
sysv_init() { [ -z "$root" ] && command -v update-rc.d > /dev/null; }
supervise() { sh "$prefix/current/deploy/supervise.sh" "$@" < /dev/null >&2; }
here_groups() { # those of interest that exist here; that of the console where the unit may give the right to change it
    wanted='video render spi i2c gpio'
    ! has_systemd || wanted="$wanted tty"
    for group in $wanted; do grep "^$group:" /etc/group | cut -d: -f1; done | tr '\n' ' '
}
make_user() {
    [ -z "$root" ] || return 0
    if ! id phicam > /dev/null 2>&1; then
        if command -v useradd > /dev/null; then
            useradd --system --user-group --no-create-home --home-dir /var/lib/phicam --shell /usr/sbin/nologin phicam
        else
            addgroup -S phicam && adduser -S -D -H -h /var/lib/phicam -s /bin/false -G phicam phicam
        fi || die "the user phicam cannot be made; make a system user of that name, then deploy again"
        : > "$prefix/made-user"
        say "user phicam made"
    fi
    for group in $(here_groups); do
        id -Gn phicam | tr ' ' '\n' | grep -qx "$group" && continue
        if command -v usermod > /dev/null; then usermod -a -G "$group" phicam; else addgroup phicam "$group"; fi ||
            say "phicam cannot be put into the group $group: its devices stay closed"
    done
}
# Puts standard input in place of file `$1`, with mode `$2`, if it differs: then `changed` is set.
replace() {
    cat > "$1.new.$$" || return 1
    if cmp -s "$1.new.$$" "$1"; then rm -f "$1.new.$$"; return; fi
    chmod "$2" "$1.new.$$" && mv "$1.new.$$" "$1" && changed=yes
}
# The service as release `$1` has it, and started at boot.
install_service() {
    from=$prefix/releases/$1/deploy changed=''
    if has_systemd; then
        for unit in $UNITS; do
            sed "s/@GROUPS@/$(here_groups)/" "$from/$unit" > "$work/$unit"
            replace "/etc/systemd/system/$unit" 644 < "$work/$unit" || return 1
        done
        install_jetson || return 1
        [ -z "$changed" ] || { systemctl daemon-reload && say "systemd units written"; }
        # shellcheck disable=SC2086
        systemctl --quiet enable $UNITS
        return
    fi
    entry=$root/etc/init.d/S90phicam
    ! sysv_init || entry=/etc/init.d/phicam
    if [ -d "${entry%/*}" ]; then
        replace "$entry" 755 < "$from/boot" || return 1
        [ -z "$changed" ] || say "started at boot by $entry"
        ! sysv_init || update-rc.d phicam defaults >&2
    elif [ -w "$root/etc/rc.local" ]; then
        { grep -v -e '^exit' -e "$BOOT" "$root/etc/rc.local"; echo "$BOOT"; } > "$work/rc.local"
        replace "$root/etc/rc.local" 755 < "$work/rc.local" || return 1
        [ -z "$changed" ] || say "started at boot by $root/etc/rc.local"
    else
        say "NOT started at boot: here is neither systemd nor /etc/init.d nor /etc/rc.local; let your init run: $BOOT"
    fi
}
remove_service() {
    if has_systemd; then
        for unit in $UNITS; do
            systemctl --quiet disable "$unit"
            rm -f "/etc/systemd/system/$unit"
        done
        rm -f "$DROP_IN"
        systemctl daemon-reload
    fi
    if sysv_init; then rm -f /etc/init.d/phicam; update-rc.d phicam remove >&2; fi
    rm -f "$root/etc/init.d/S90phicam"
    if [ -w "$root/etc/rc.local" ]; then
        grep -v -e "$BOOT" "$root/etc/rc.local" > "$work/rc.local"
        replace "$root/etc/rc.local" 755 < "$work/rc.local"
    fi
}
restart() { if has_systemd; then systemctl restart phicam.service; else supervise restart; fi; }
stop() { if has_systemd; then systemctl stop phicam.service; else supervise stop; fi; }
last_lines() { # of the log: last_lines 20; `-f` after it goes on
    if has_systemd; then
        journalctl --unit phicam.service --no-pager --output short-iso --lines "$@"
    else
        lines=$1
        shift
        tail -n "$lines" "$@" "$root/var/log/phicam.log"
    fi
}

