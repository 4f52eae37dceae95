#!/bin/bash
# Boots a VM of a slice, at every boot anew. Values come from the metadata server;
# IRIS_ROOT is empty on a real VM.
set -u

ROOT="${IRIS_ROOT:-}"
METADATA="http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1"
CACHE="$ROOT/var/cache/iris"
NAME=iris-worker
SLICE="" CONTROLLER="" INDEX="" TOKEN=""

# Each phase goes to the console, and to the controller without holding up the boot;
# the token stands in no argument list.
report() {
    echo "iris-phase: $1${2:+ because $2}"
    [ -n "$TOKEN" ] || return 0
    local detail="${2:-}"
    detail="${detail//\\/ }"
    detail="${detail//\"/\'}"
    detail="$(printf '%s' "$detail" | tr -d '\000-\037' | head -c 500)"
    printf 'header = "Authorization: Bearer %s"\n' "$TOKEN" |
        curl --silent --max-time 3 --config - --output /dev/null \
            --header 'Content-Type: application/json' \
            --data "{\"slice_name\":\"$SLICE\",\"index\":$INDEX,\"phase\":\"$1\",\"at\":$(date +%s.%N),\"detail\":\"$detail\"}" \
            "$CONTROLLER/v1/slices/$SLICE:phase" &
}
fail() {
    report failed "$1"
    wait
    exit 1
}

metadata() {
    curl --silent --show-error --fail --retry 20 --retry-delay 1 --retry-all-errors \
        --retry-max-time 120 --max-time 20 --header 'Metadata-Flavor: Google' \
        "$METADATA/$1"
}
attribute() { metadata "instance/attributes/$1"; }
optional() {
    curl --silent --fail --max-time 20 --header 'Metadata-Flavor: Google' \
        "$METADATA/instance/attributes/$1" || true
}

find_index() {
    INDEX="$(optional iris-index)"
    [ -n "$INDEX" ] || INDEX="$(optional agent-worker-number)"
    case "$INDEX" in
    '' | *[!0-9]*)
        INDEX=""
        echo "iris-phase: failed because this VM was not told its index"
        exit 1
        ;;
    esac
}

install_docker() {
    command -v docker >/dev/null && return
    for _ in 1 2 3 4 5; do
        DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
            DEBIAN_FRONTEND=noninteractive apt-get -qq install -y docker.io && return
        sleep 5
    done
    fail "docker cannot be installed"
}

login() {
    local registry="${IMAGE%%/*}"
    case "$registry" in
    *.pkg.dev | *.gcr.io | gcr.io) ;;
    *) return ;;
    esac
    metadata instance/service-accounts/default/token |
        sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p' |
        docker login -u oauth2accesstoken --password-stdin "$registry" >/dev/null
}

pull() {
    local words=""
    for attempt in 1 2 3 4 5 6; do
        # the account of a fresh VM may not be ready: both again
        if words="$(login 2>&1 && docker pull --quiet "$IMAGE" 2>&1)"; then
            return
        fi
        report "image pull failed" "attempt $attempt of 6: $words"
        sleep "$attempt"
    done
    fail "image $IMAGE cannot be pulled: $(echo "$words" | tail -n 1)"
}

run_worker() {
    local options=() name device
    for name in GCE_METADATA_HOST GCE_METADATA_IP GCE_METADATA_ROOT; do
        [ -n "${!name:-}" ] && options+=(-e "$name=${!name}")
    done
    for device in "$ROOT"/dev/accel* "$ROOT"/dev/vfio/[0-9]*; do
        [ -e "$device" ] && options+=(--device "$device")
    done
    if [ "$(optional iris-runtime)" = docker ]; then
        options+=(-v "$ROOT/var/run/docker.sock:/var/run/docker.sock")
    fi
    docker rm --force "$NAME" >/dev/null 2>&1
    docker run -d --name "$NAME" --network=host --restart=always --privileged \
        --ulimit memlock=-1 --shm-size=16g \
        -v "$CACHE:/var/cache/iris" "${options[@]}" "$IMAGE" \
        python -m iris.worker --vm /var/cache/iris/vm >/dev/null ||
        fail "the worker's container does not start"
}

echo "iris-phase: boot started"
SLICE="$(attribute iris-slice)" || {
    echo "iris-phase: failed because the metadata server does not answer"
    exit 1
}
CONTROLLER="$(attribute iris-controller)"
find_index
TOKEN="$(attribute "iris-join-token-$INDEX")"
IMAGE="$(attribute iris-image)" || fail "no image is named"
report "boot started"
(umask 077 && mkdir -p "$CACHE/vm")
install_docker
report "docker ready"
pull
report "image pulled"
run_worker
report "container started"
wait
