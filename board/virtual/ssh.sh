#!/usr/bin/env bash
# A command on a virtual board that was booted by hand: board/virtual/ssh.sh PORT [COMMAND…]
set -euo pipefail
board=$(cd "$(dirname "$0")/../../target/board" && pwd)
port=$1
shift
exec ssh -F "$board/ssh_config" -p "$port" board "$@"
