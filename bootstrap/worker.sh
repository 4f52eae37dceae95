#!/bin/bash
# Boots a VM of a slice, at every boot anew. Values come from the metadata server;
# IRIS_ROOT is empty on a real VM. Every step has a deadline: a boot ends with a worker
# that lives, or as failed, with its reason, which the controller hears.
set -u

ROOT="${IRIS_ROOT:-}"
METADATA="http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1"
CACHE="$ROOT/var/cache/iris"
RUN="$ROOT/run/iris" # in memory: it is gone after a reboot
NAME=iris-worker
CLUSTER_UID="" SLICE="" CONTROLLER="" ADDRESS="" IMAGE="" RUNTIME=""
INDEX=-1 TOKEN="" # without an index the slice's boot token speaks, which only reports

# Each phase goes to the console, and to the controller without holding up the boot.
report() {
    echo "iris-phase: $1${2:+ because $2}"
    tell 10 "$1" "${2:-}" &
}
# The end of a boot: the controller may be elsewhere just now, and has to hear it.
fail() {
    echo "iris-phase: failed because $1"
    wait
    tell 600 failed "$1"
    exit 1
}

# Until the controller has heard it, or will not, for so many seconds.
tell() {
    local until=$((SECONDS + $1)) detail body moved
    [ -n "$TOKEN" ] || return 0
    # plain letters alone: no quote ends the text, no letter is cut in two
    detail="$(printf '%s' "$3" | tr '\\"\n\t' "/'  " | LC_ALL=C tr -cd '\040-\176')"
    body="{\"slice_name\":\"$SLICE\",\"index\":$INDEX,\"phase\":\"$2\""
    body="$body,\"at\":$(date +%s.%N),\"detail\":\"${detail:0:500}\"}"
    until is_told "$body" || [ "$SECONDS" -ge "$until" ]; do
        sleep 1
        moved="$(metadata instance/attributes/iris-controller)"
        CONTROLLER="${moved:-$CONTROLLER}"
    done
}

# Our token is for our own cluster: an address may be another's by now. It stands in no
# list of arguments.
is_told() {
    case "$(curl --silent --max-time 5 "$CONTROLLER/health")" in
    *"\"cluster_uid\":\"$CLUSTER_UID\""*) ;;
    *) return 1 ;;
    esac
    case "$(printf 'header = "Authorization: Bearer %s"\n' "$TOKEN" |
        curl --silent --max-time 5 --config - --output /dev/null \
            --write-out '%{http_code}' --header 'Content-Type: application/json' \
            --data "$1" "$CONTROLLER/v1/slices/$SLICE:phase")" in
    429) return 1 ;;
    2?? | 4??) ;; # heard, or it will not hear of it
    *) return 1 ;;
    esac
}

# -- what both scripts need; a test keeps it the same in both -----------------------

# A value of the metadata server, which may come up late and says 503 at any time:
# only its 404 means that there is none.
metadata() {
    local until=$((SECONDS + 120)) answer
    while :; do
        if answer="$(curl --silent --max-time 20 --write-out '\n%{http_code}' \
            --header 'Metadata-Flavor: Google' "$METADATA/$1")"; then
            case "${answer##*$'\n'}" in
            200)
                printf '%s' "${answer%$'\n'*}"
                return
                ;;
            404) return 4 ;;
            esac
        fi
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.5
    done
}

# Sets a variable to a value; one that may be missing is empty then.
want() {
    local value
    value="$(metadata "$2")"
    case $? in
    0 | 4) printf -v "$1" '%s' "$value" ;;
    *) fail "the metadata server does not answer" ;;
    esac
}
require() {
    want "$1" "$2"
    [ -n "${!1//[[:space:]]/}" ] || fail "this VM was not told its ${2##*/}"
}

last_line() { printf '%s\n' "$1" | grep -v '^[[:space:]]*$' | tail -n 1; }

install_docker() {
    local words until=$((SECONDS + 600))
    export DEBIAN_FRONTEND=noninteractive
    while ! command -v docker >/dev/null; do
        # a fresh system may update itself just now; a boot that was cut left things half
        words="$({
            timeout 300 dpkg --configure -a &&
                timeout 300 apt-get -qq -o DPkg::Lock::Timeout=120 update &&
                timeout 600 apt-get -qq -o DPkg::Lock::Timeout=120 install -y docker.io
        } 2>&1)" && break
        [ "$SECONDS" -lt "$until" ] ||
            fail "docker cannot be installed: $(last_line "$words")"
        sleep 5
    done
    until=$((SECONDS + 180))
    until words="$(timeout 20 docker version --format '{{.Server.Version}}' 2>&1)"; do
        [ "$SECONDS" -lt "$until" ] ||
            fail "docker does not answer: $(last_line "$words")"
        sleep 1
    done
    outlive_the_engine
}

# What runs goes on when the engine restarts, as it does when it updates itself. A file
# that is there already is somebody else's.
outlive_the_engine() {
    local settings="$ROOT/etc/docker/daemon.json" pid
    [ ! -e "$settings" ] || return 0
    mkdir -p "${settings%/*}" && echo '{"live-restore": true}' >"$settings" || return 0
    pid="$(cat "$ROOT/var/run/docker.pid" 2>/dev/null)"
    [ -z "$pid" ] || kill -HUP "$pid" # it reads its settings again
}

# The token of this VM's account, for a registry of Google; no list of arguments has it.
login() {
    local registry="${IMAGE%%/*}" token
    case "$registry" in
    *.pkg.dev | *.gcr.io | gcr.io) ;;
    *) return ;;
    esac
    token="$(metadata instance/service-accounts/default/token |
        sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p')"
    if [ -z "$token" ]; then
        echo "this VM has no service account to log in with at $registry"
        return 1
    fi
    printf '%s' "$token" |
        timeout 60 docker login -u oauth2accesstoken --password-stdin "$registry" \
            >/dev/null
}

pull() {
    local words status tries=6 most=400 attempt=1 pause=1 until=$((SECONDS + 600))
    # after a reboot the image is here: a registry that is away is no reason to be so too
    timeout 60 docker image inspect "$IMAGE" >/dev/null 2>&1 && tries=1 most=120
    while :; do
        # the account of a fresh VM may not be ready: both again
        words="$(login 2>&1 && timeout "$most" docker pull --quiet "$IMAGE" 2>&1)"
        status=$?
        [ "$status" -ne 0 ] || return 0
        [ "$status" -ne 124 ] || words="no end within $most s"
        words="$(last_line "$words")"
        pull_failed "attempt $attempt of $tries: $words"
        [ "$attempt" -lt "$tries" ] && [ "$SECONDS" -lt "$until" ] || break
        sleep "$pause"
        attempt=$((attempt + 1)) pause=$((pause * 2))
    done
    [ "$tries" -eq 1 ] || fail "image $IMAGE cannot be pulled: $words"
}

# After a reboot docker would start the container before this script is ready for it:
# it cannot, for want of the folder that the script makes.
ONLY_OF_THIS_BOOT=(--mount "type=bind,source=$RUN,target=/run/iris,readonly")
# Another word after each boot, the same until then: who finds it knows what still runs.
mark_boot() {
    [ -s "$RUN/boot" ] || cat /proc/sys/kernel/random/uuid >"$RUN/boot"
}
make_room_to_run() {
    local words
    timeout 60 docker rm --force "$NAME" >/dev/null 2>&1
    words="$({ mkdir -p "$RUN" && mark_boot; } 2>&1)" ||
        fail "$RUN cannot be made: $(last_line "$words")"
}

# Its last lines go to the console, the very last one is a reason.
last_words() {
    local words
    words="$(timeout 60 docker logs --tail 20 "$NAME" 2>&1)"
    printf '%s\n' "$words" | sed "s/^/$NAME: /" >&2
    last_line "$words"
}
# Docker starts it again ever later: five times mean that it will not come up. Looked at
# every second.
LOOKED=0
ends_again_and_again() {
    local count
    [ "$SECONDS" -gt "$LOOKED" ] || return 1
    LOOKED="$SECONDS"
    count="$(timeout 60 docker inspect --format '{{.RestartCount}}' "$NAME" 2>/dev/null)"
    case "$count" in
    '' | *[!0-9]*) return 1 ;;
    esac
    [ "$count" -ge 5 ]
}

# -- the worker's own -----------------------------------------------------------------

pull_failed() { report "image pull failed" "$1"; }

# Ours where we set one, else the TPU's; a blank one is no index 0.
find_index() {
    local index token
    want index instance/attributes/iris-index
    [ -n "$index" ] || want index instance/attributes/agent-worker-number
    case "$index" in
    '' | *[!0-9]*) fail "the VM at $ADDRESS was not told its index" ;;
    esac
    index=$((10#$index))
    want token "instance/attributes/iris-join-token-$index"
    [ -n "$token" ] ||
        fail "the VM at $ADDRESS has index $index, for which there is no join token"
    INDEX="$index" TOKEN="$token"
}

run_worker() {
    local options=() name device words
    for name in GCE_METADATA_HOST GCE_METADATA_IP GCE_METADATA_ROOT; do
        [ -n "${!name:-}" ] && options+=(-e "$name=${!name}")
    done
    for device in "$ROOT"/dev/accel* "$ROOT"/dev/vfio/[0-9]*; do
        [ -e "$device" ] && options+=(--device "$device")
    done
    if [ "$RUNTIME" = docker ]; then
        # the folder of its socket: an engine that starts anew may make that anew, and who
        # had been given the socket itself would never speak to it again
        options+=(-v "$ROOT/run:/machine/run:ro")
        options+=(-e DOCKER_HOST=unix:///machine/run/docker.sock)
    fi
    make_room_to_run
    words="$({ umask 077 && mkdir -p "$CACHE/vm" && touch "$CACHE/boot"; } 2>&1)" ||
        fail "$CACHE cannot be written: $(last_line "$words")"
    # /machine/proc: who holds a chip may be a process of the VM, or of another container
    words="$(timeout 120 docker run -d --name "$NAME" --network=host --restart=always \
        --privileged --ulimit memlock=-1 --shm-size=16g \
        --stop-timeout=25 -e IRIS_STOP_TIMEOUT=25 \
        --log-opt max-size=20m --log-opt max-file=2 \
        -v "$CACHE:/var/cache/iris" -v /proc:/machine/proc:ro \
        "${ONLY_OF_THIS_BOOT[@]}" "${options[@]}" "$IMAGE" \
        python -m iris.worker --vm /var/cache/iris/vm 2>&1)" ||
        fail "the worker's container does not start: $(last_line "$words")"
}

# The keeper writes its file anew once it is up.
wait_for_keeper() {
    local until=$((SECONDS + 300))
    while [ "$SECONDS" -lt "$until" ]; do
        [ "$CACHE/vm/keeper.json" -nt "$CACHE/boot" ] && return
        ends_again_and_again && break
        sleep 0.1
    done
    # the slice may be gone before anybody can read the console
    report "container said" "$(timeout 60 docker logs --tail 6 "$NAME" 2>&1 |
        grep -v '^[[:space:]]*$' | cut -c1-80 | sed '$!s/$/ |/')"
    fail "the worker does not come up: $(last_words)"
}

echo "iris-phase: boot started"
DOCKER_CONFIG="$(mktemp -d)" || fail "there is no room for temporary files"
export DOCKER_CONFIG # where the registry's token lies, as long as it is needed
trap 'rm -rf "$DOCKER_CONFIG"' EXIT
require SLICE instance/attributes/iris-slice
require CLUSTER_UID instance/attributes/iris-uid
require CONTROLLER instance/attributes/iris-controller
want TOKEN instance/attributes/iris-boot-token
require ADDRESS instance/network-interfaces/0/ip
find_index
tell 10 "boot started" "" &
require IMAGE instance/attributes/iris-image
want RUNTIME instance/attributes/iris-runtime
install_docker
report "docker ready"
pull
report "image pulled"
run_worker
report "container started"
wait_for_keeper
wait
