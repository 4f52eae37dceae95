#!/bin/sh
# The whole life of a cluster, by the commands that anyone types: `make demo`.
set -eu

IRIS_HOME=$(mktemp -d "${TMPDIR:-/tmp}/iris-demo.XXXXXX")
export IRIS_HOME
unset IRIS_CONFIG
began=$(date +%s)

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

left_behind() {
    # whatever runs for this cluster has its folder among its words
    pgrep -fl "$IRIS_HOME" || true
}

end() {
    status=$?
    if [ "$status" -ne 0 ]; then
        inv cleanup --no-dry-run || true
    fi
    rm -rf "$IRIS_HOME"
    exit "$status"
}
trap end EXIT
trap 'exit 130' INT TERM

run inv cluster.start --config local.yaml
run inv job.run --tpu v5litepod-16 --follow -- python examples/jobs/hello.py
run inv job.run --name digits --tasks 16 --cpu 2 -- python examples/jobs/digits_sweep/train.py
run inv probe.why digits
run inv job.wait digits
run python examples/jobs/digits_sweep/table.py digits
run inv probe.list-jobs
run inv probe.list-slices
run inv probe.autoscaler-status
run inv cleanup --no-dry-run

left=$(left_behind)
if [ -n "$left" ]; then
    printf '\nstill running:\n%s\n' "$left"
    exit 1
fi
printf '\nnothing left; the whole took %ss\n' "$(($(date +%s) - began))"
