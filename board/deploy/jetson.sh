# shellcheck shell=sh
# Part of on-board.sh: what a Jetson needs beside the program, for its GPU.
DROP_IN=/etc/systemd/system/phicam.service.d/jetson.conf
# "36.4" of "# R36 (release), REVISION: 4.3, …"; nothing on other boards.
jetson_linux() { sed -n '1s/^# R\([0-9]*\) .*REVISION: \([0-9]*\).*/\1.\2/p' "$root/etc/nv_tegra_release" 2> /dev/null; }
jetpack() { # its name, and the version of the package that is built for it
    case $1 in
        32.*) echo 'JetPack 4' ;;
        35.*) echo 'JetPack 5 1.18.1.11.8' ;;
        36.[0-3]) echo 'JetPack 6.0 1.22.2.12.8' ;;
        36.*) echo 'JetPack 6.1-6.2 1.23.2.12.9' ;;
        *) echo 'JetPack unknown' ;;
    esac
}
# Says whether the GPU can be used, and the one command that is missing.
say_jetson() {
    release=$(jetson_linux)
    [ -n "$release" ] || return 0
    # shellcheck disable=SC2046
    set -- $(jetpack "$release")
    name="$1 $2 (Jetson Linux $release)"
    for library in "$root"/opt/onnxruntime/lib/libonnxruntime.so* "$root"/opt/onnxruntime/onnxruntime/capi/libonnxruntime.so* \
        "$root"/usr/local/lib/python3*/dist-packages/onnxruntime/capi/libonnxruntime.so* "$root"/usr/local/lib/libonnxruntime.so*; do
        [ ! -f "$library" ] || { say "$name, ONNX Runtime: ${library#"$root"}"; return; }
    done
    if [ -n "${3:-}" ]; then
        say "$name without ONNX Runtime, so its GPU is not used; install it on the board:" \
            "sudo python3 -m pip install --no-deps --target /opt/onnxruntime onnxruntime-gpu-extended==$3"
    elif [ "$2" = 4 ]; then
        say "$name has no ONNX Runtime that is new enough: this board runs on its processor"
    else
        say "$name: no package of ONNX Runtime is known for it; build one, or the board runs on its processor"
    fi
}
# What the unit has to allow beside what it does on every board.
install_jetson() {
    if [ -z "$(jetson_linux)" ] && ! tr '\0' '\n' 2> /dev/null < "$root/proc/device-tree/compatible" | grep -q '^nvidia,tegra'; then
        [ ! -e "$DROP_IN" ] || { rm -f "$DROP_IN"; changed=yes; }
        return 0
    fi
    mkdir -p "${DROP_IN%/*}" && replace "$DROP_IN" 644 << 'END'
# Argus, which gives pictures of CSI sensors, is spoken to through a socket in /tmp. NVIDIA's devices have other names with each
# JetPack: here the groups alone say what may be opened. CUDA makes code while it runs.
[Service]
PrivateTmp=no
DevicePolicy=auto
DeviceAllow=
MemoryDenyWriteExecute=no
END
}
# Builds TensorRT engines before the switch to the release, if asked for. It may take minutes a model. `prepare` is the name
# that releases before 0.2 know as well.
prepare_jetson() { # RELEASE
    [ "${PHICAM_PREPARE:-}" = yes ] || return 0
    [ -n "$(jetson_linux)" ] || { say "PHICAM_PREPARE=yes: this is no Jetson, there is nothing to prepare"; return 0; }
    say "TensorRT builds what it needs, for some minutes; what runs goes on meanwhile"
    board=''
    [ ! -e "$1/board.toml" ] || board="--board $1/board.toml"
    # shellcheck disable=SC2086
    (cd / && PHICAM_STATE=$root/var/lib/phicam sh "$1/deploy/supervise.sh" as-user "$1/phicam" prepare $board >&2) ||
        say "it was not prepared; the program does it when it runs"
}
