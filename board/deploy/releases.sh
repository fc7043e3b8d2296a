# shellcheck shell=sh
# Part of on-board.sh: objects, releases, and the switch from one to another.
hash_of() { sha256sum < "$1" 2> /dev/null | cut -d' ' -f1; }
release_at() { basename "$(readlink "$prefix/$1")" 2> /dev/null; } # of current, previous or failed

# Puts what has arrived whole in `folder` among the objects; the rest is dropped.
file_in() {
    for file in "$1"/*; do
        [ -f "$file" ] || continue
        if [ "$(hash_of "$file")" = "${file##*/}" ]; then
            [ -n "$root" ] || chown 0:0 "$file"
            mv "$file" "$objects/${file##*/}"
        fi
    done
    rm -rf "$1"
}
# What of the manifest is not among the objects, "SHA SIZE" a line: `by-content`, since a power cut leaves empty files;
# `by-name` right after that.
missing() {
    sort -u -k1,1 "$here/MANIFEST" | while read -r sha _ size _; do
        if [ -e "$objects/$sha" ]; then
            [ "$1" = by-content ] && [ "$(hash_of "$objects/$sha")" != "$sha" ] || continue
            rm -f "$objects/$sha"
        fi
        echo "$sha $size"
    done
}
# Removes releases that no link leads to, and objects that no release and no manifest given here names.
sweep() {
    for dir in "$prefix"/releases/* "$prefix"/releases/.new.*; do
        case ${dir##*/} in "$(release_at current)" | "$(release_at previous)" | "$(release_at failed)") ;; *) rm -rf "$dir" ;; esac
    done
    for object in "$objects"/*; do
        [ -f "$object" ] || continue
        cat "$prefix"/releases/*/MANIFEST "$@" 2> /dev/null | grep -q "^${object##*/} " || rm -f "$object"
    done
}
free_kib() { df -Pk "$prefix" | awk 'NR == 2 { print $4 }'; }

whole() { # is every file of the folder as its manifest says?
    while read -r sha _ _ path; do
        # Hard links of objects, whose content was compared when this deploy began.
        # shellcheck disable=SC3013
        [ "$1/$path" -ef "$objects/$sha" ] || [ "$(hash_of "$1/$path")" = "$sha" ] || return 1
    done < "$here/MANIFEST"
}
# Builds releases/ID from the objects under another name first; one that is there and damaged is mended file by file.
place() {
    release=$prefix/releases/$1
    [ -d "$release" ] && whole "$release" && return
    new=$release
    [ -d "$release" ] || new=$prefix/releases/.new.$$
    while read -r sha mode _ path; do
        file=$new/$path
        mkdir -p "${file%/*}" && rm -f "$file.new" || return 1
        # A file system without hard links has copies.
        ln "$objects/$sha" "$file.new" 2> /dev/null || cp "$objects/$sha" "$file.new" || return 1
        chmod "$mode" "$file.new" || return 1
        # Two links to one object: some mv refuse, others leave both.
        [ "$file.new" -ef "$file" ] || mv -f "$file.new" "$file" || return 1
        rm -f "$file.new" || return 1
    done < "$here/MANIFEST"
    cp "$here/MANIFEST" "$new/MANIFEST" && sync || return 1
    [ "$new" = "$release" ] || mv "$new" "$release" || return 1
    whole "$release"
}
# Lets the link `$1` lead to release `$2` in one step.
point() {
    rm -f "$prefix/$1.new"
    ln -s "releases/$2" "$prefix/$1.new" || return 1
    if ! mv -fT "$prefix/$1.new" "$prefix/$1" 2> /dev/null; then
        say "mv knows no -T here (an old busybox): $1 is switched in two steps, a power cut between them would remove it"
        ln -sfn "releases/$2" "$prefix/$1" || return 1
    fi
    sync
}
# Asks how release `$1` is: its `process`, empty if it is not well, and why in `words`.
ask() {
    judged=$(PHICAM_RUNTIME=$root/run/phicam timeout 20 "$prefix/releases/$1/phicam" health --json 2>&1)
    code=$?
    process=''
    case $code-$judged in
        0-*"\"executable\":\"$(cd "$prefix" && pwd -P)/releases/$1/"*)
            process=$(printf '%s\n' "$judged" | sed 's/.*"pid": *\([0-9]*\).*/\1/')
            words=$(printf '%s\n' "$judged" | sed -n 's/.*"answers": *\([0-9]*\).*"model": *"\([^"]*\)".*/\1 answers by \2/p') ;;
        0-*) words="another program answers: $judged" ;;
        124-* | 143-*) words="asking took longer than 20 s" ;;
        *) words=$(printf '%s\n' "$judged" |
            sed 's/^{.*"why": *\[\(.*\)\], *"\(version\|written_s\)".*/\1/; s/^{.*"why": *\[\([^]]*\)\].*/\1/') ;;
    esac
}
# Whether release `$1` gets well within the limit and the same process stays so; `words` tells of it.
wait_well() {
    limit=$(($(uptime_s) + health_s)) steady='' seen=0
    while :; do
        ask "$1"
        now=$(uptime_s)
        if [ -z "$process" ]; then
            steady=''
        elif [ "${steady%:*}" != "$process" ]; then
            steady=$process:$now seen=$((seen + 1))
        elif [ $((now - ${steady#*:})) -ge "$STEADY_S" ]; then
            return 0
        fi
        [ "$now" -lt "$limit" ] || break
        sleep 1
    done
    [ "$seen" = 0 ] || words="$seen times it was well and then ended, or answered no more: $words"
    return 1
}
# After a switch to `$1` from `$2` (nothing at the first deploy): well, it stays; else back.
settle() {
    new=$1 old=$2
    if [ "$health_s" = 0 ] || wait_well "$new"; then
        [ -z "$old" ] || [ "$old" = "$new" ] || point previous "$old"
        rm -f "$prefix/unconfirmed" "$prefix/failed"
        sync
        if [ "$health_s" = 0 ]; then say "$new runs; whether it is well was not asked"; else say "$new is well: $words"; fi
        return 0
    fi
    say "$new did not get well within $health_s s: $words"
    say "its last log lines:"
    last_lines 20 | sed 's/^/    /' >&2
    [ "$new" = "$old" ] || point failed "$new"
    if [ "$new" = "$old" ]; then
        say "it ran before and was not switched to: nothing was switched back"
    elif [ -n "$old" ]; then
        point current "$old"
        install_service "$old"
        restart
        if wait_well "$old"; then say "rolled back: $old runs again and is well"
        else say "rolled back to $old, which is not well either: $words"; fi
    else
        stop
        rm -f "$prefix/current"
        say "there is no release before it to go back to: stopped"
    fi
    rm -f "$prefix/unconfirmed"
    sync
    return 1
}
switch() {
    new=$1 old=$(release_at current)
    install_service "$new" || die "the service cannot be written below $root/etc; what runs is as it was"
    if [ "$new" != "$old" ]; then
        echo "$new $old" > "$prefix/unconfirmed" || die "$prefix/unconfirmed cannot be written (disk full?)"
        sync
        point current "$new" || die "$prefix/current cannot be switched"
        say "switched to $new${old:+ from $old}"
    fi
    restart
    settle "$new" "$old"
}

# What a power cut left: a release that was switched to, and nobody waited whether it is well.
recover() {
    [ -e "$prefix/unconfirmed" ] || return 0
    read -r new old < "$prefix/unconfirmed"
    [ "$(release_at current)" = "$new" ] || { rm -f "$prefix/unconfirmed"; return 0; } # cut before the switch
    say "an earlier deploy of $new was cut before it was known to be well"
    settle "$new" "$old"
}

