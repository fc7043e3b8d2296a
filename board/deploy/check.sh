#!/usr/bin/env bash
# Checks what a deploy installs without a board: the shell scripts by shellcheck, the systemd units by systemd-analyze.
# Says which of the two is not at hand here; `check.sh strict` fails then.
set -euo pipefail
cd "$(dirname "$0")"
lacking=()

if command -v shellcheck > /dev/null; then
    # -x follows on-board.sh into its parts.
    shellcheck -x deploy.sh on-board.sh supervise.sh start boot check.sh ../../tests/deploy/ssh ../../tests/deploy/phicam
else
    lacking+=(shellcheck)
fi

if command -v systemd-analyze > /dev/null; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    for unit in *.service; do
        # /opt/phicam is not here: what is started has to exist to be verified.
        sed 's/@GROUPS@/video/; s|^ExecStart=/opt/.*|ExecStart=/bin/true|' "$unit" > "$folder/$unit"
    done
    systemd-analyze verify --man=no "$folder"/*.service
    # Out of 100: what is left to a service that opens cameras and screens is about 14.
    systemd-analyze security --offline=true --threshold=20 --no-pager "$folder/phicam.service" | tail -n 1
else
    lacking+=(systemd-analyze)
fi

[ ${#lacking[@]} = 0 ] || echo "not checked: ${lacking[*]} not at hand" >&2
[ ${#lacking[@]} = 0 ] || [ "${1:-}" != strict ]
