#!/bin/bash
# Prints a file of the controller's machine; run over SSH: `bash -s NAME < show.sh`.
# IRIS_ROOT is empty on a real VM.
set -u

ROOT="${IRIS_ROOT:-}"
case "${1:-}" in
operator.token) FILE="$ROOT/mnt/iris-state/operator.token" ;;
controller.log) FILE="$ROOT/var/lib/iris/machine/controller.log" ;;
*)
    echo "there is no file named '${1:-}'" >&2
    exit 64
    ;;
esac
[ -r "$FILE" ] || exit 66
exec cat "$FILE"
