#!/bin/bash
# Boots the controller's VM, at every boot anew. Values come from the metadata server;
# IRIS_ROOT is empty on a real VM.
set -u

ROOT="${IRIS_ROOT:-}"
METADATA="http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1"
MACHINE="$ROOT/var/lib/iris/machine"
STATE="$ROOT/mnt/iris-state"
CACHE="$ROOT/var/cache/iris"
DISK="$ROOT/dev/disk/by-id/google-iris-state"
NAME=iris-controller

phase() { echo "iris-phase: $1"; }
fail() {
    echo "iris-phase: failed because $1"
    exit 1
}

# An answer of the metadata server; it may say 503 at any time, or come up late.
metadata() {
    curl --silent --show-error --fail --retry 20 --retry-delay 1 --retry-all-errors \
        --retry-max-time 120 --max-time 20 --header 'Metadata-Flavor: Google' \
        "$METADATA/$1"
}
attribute() { metadata "instance/attributes/$1"; }
# One that may be missing: 404 is an answer.
optional() {
    curl --silent --fail --max-time 20 --header 'Metadata-Flavor: Google' \
        "$METADATA/instance/attributes/$1" || true
}

write_config() {
    umask 077
    mkdir -p "$ROOT/etc/iris" "$MACHINE" "$CACHE" "$STATE"
    attribute iris-config | base64 --decode | gunzip >"$ROOT/etc/iris/config.yaml.new" ||
        fail "the cluster file did not arrive"
    mv "$ROOT/etc/iris/config.yaml.new" "$ROOT/etc/iris/config.yaml"
    printf '{"cluster_uid":"%s"}' "$UID_OF_CLUSTER" >"$MACHINE/machine.json.new"
    mv "$MACHINE/machine.json.new" "$MACHINE/machine.json"
}

mount_state() {
    for _ in $(seq 120); do
        [ -e "$DISK" ] && break
        sleep 1
    done
    [ -e "$DISK" ] || fail "the state disk is not attached"
    if ! mountpoint -q "$STATE"; then
        if ! blkid "$DISK" >/dev/null; then
            mkfs.ext4 -q -m 0 "$DISK" || fail "the state disk cannot be formatted"
        fi
        mount -o discard,defaults "$DISK" "$STATE" || fail "the state disk cannot be mounted"
    fi
    # the disk of another cluster is not ours to write on
    if [ -s "$STATE/iris-uid" ] && [ "$(cat "$STATE/iris-uid")" != "$UID_OF_CLUSTER" ]; then
        fail "the state disk is of cluster uid $(cat "$STATE/iris-uid"), not $UID_OF_CLUSTER"
    fi
    printf '%s' "$UID_OF_CLUSTER" >"$STATE/iris-uid"
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
        echo "pull $attempt of 6 failed: $words"
        sleep "$attempt"
    done
    fail "image $IMAGE cannot be pulled: $(echo "$words" | tail -n 1)"
}

run_controller() {
    local variables=() name
    for name in GCE_METADATA_HOST GCE_METADATA_IP GCE_METADATA_ROOT IRIS_COMPUTE_URL \
        IRIS_TPU_URL IRIS_RESOURCE_MANAGER_URL; do
        [ -n "${!name:-}" ] && variables+=(-e "$name=${!name}")
    done
    variables+=(-e "IRIS_SSH_KEYS=$(optional ssh-keys)")
    docker rm --force "$NAME" >/dev/null 2>&1
    docker run -d --name "$NAME" --network=host --restart=always --init \
        -v "$ROOT/etc/iris/config.yaml:/etc/iris/config.yaml:ro" \
        -v "$MACHINE:/var/lib/iris/machine" \
        -v "$STATE:/var/lib/iris/state" \
        -v "$CACHE:/var/cache/iris" \
        "${variables[@]}" "$IMAGE" \
        python -m iris.controller --machine /var/lib/iris/machine \
        --config /etc/iris/config.yaml --state /var/lib/iris/state \
        --listen "$ADDRESS" --log /var/lib/iris/machine/controller.log >/dev/null ||
        fail "the controller's container does not start"
}

wait_for_health() {
    for _ in $(seq 1200); do
        if curl --silent --fail --max-time 5 "http://$ADDRESS:$PORT/health" >/dev/null; then
            phase "controller healthy"
            return
        fi
        sleep 0.1
    done
    fail "the controller does not answer: $(docker logs --tail 3 "$NAME" 2>&1 | tail -n 1)"
}

phase "boot started"
UID_OF_CLUSTER="$(attribute iris-uid)" || fail "the metadata server does not answer"
IMAGE="$(attribute iris-image)" || fail "no image is named"
PORT="$(attribute iris-port)" || fail "no port is named"
ADDRESS="$(metadata instance/network-interfaces/0/ip)" || fail "this VM has no address"
write_config
phase "config written"
mount_state
phase "state disk mounted"
install_docker
phase "docker ready"
pull
phase "image pulled"
run_controller
phase "container started"
wait_for_health
