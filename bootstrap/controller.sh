#!/bin/bash
# Boots the controller's VM, at every boot anew. Values come from the metadata server;
# IRIS_ROOT is empty on a real VM. Every step has a deadline: a boot ends as healthy,
# or as failed with its reason.
set -u

ROOT="${IRIS_ROOT:-}"
METADATA="http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1"
MACHINE="$ROOT/var/lib/iris/machine"
STATE="$ROOT/mnt/iris-state"
CACHE="$ROOT/var/cache/iris"
RUN="$ROOT/run/iris" # in memory: it is gone after a reboot
DISK="$ROOT/dev/disk/by-id/google-iris-state"
NAME=iris-controller
OWNER=10001 # as whom the image's program runs
CLUSTER_UID="" IMAGE="" PORT="" CONFIG="" CONFIG_REST=""

phase() { echo "iris-phase: $1"; }
fail() {
    echo "iris-phase: failed because $1"
    exit 1
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

# -- the controller's own -------------------------------------------------------------

pull_failed() { echo "image pull failed: $1"; }

write_config() {
    local words
    words="$({
        umask 077
        mkdir -p "$ROOT/etc/iris" "$MACHINE" "$CACHE" "$STATE" &&
            printf '{"cluster_uid":"%s"}' "$CLUSTER_UID" >"$MACHINE/machine.json.new" &&
            mv "$MACHINE/machine.json.new" "$MACHINE/machine.json" &&
            printf '%s%s' "$CONFIG" "$CONFIG_REST" | base64 --decode | gunzip \
                >"$ROOT/etc/iris/config.yaml.new" &&
            mv "$ROOT/etc/iris/config.yaml.new" "$ROOT/etc/iris/config.yaml"
    } 2>&1)" || fail "the cluster file cannot be written: $(last_line "$words")"
}

mount_state() {
    local words until=$((SECONDS + 120))
    until [ -e "$DISK" ]; do
        [ "$SECONDS" -lt "$until" ] || fail "the state disk is not attached"
        sleep 0.5
    done
    if ! mountpoint -q "$STATE"; then
        blkid -p "$DISK" >/dev/null
        # 2: there is nothing on it. Any other doubt is no leave to write on it.
        if [ $? -eq 2 ]; then
            # nothing that it knows; what was never written on is empty from the beginning
            [ -z "$(head -c 4096 "$DISK" 2>/dev/null | tr -d '\0')" ] ||
                fail "the state disk has something on it that is no file system"
            words="$(mkfs.ext4 -q -m 0 "$DISK" 2>&1)" ||
                fail "the state disk cannot be formatted: $(last_line "$words")"
        fi
        words="$(mount -o discard,defaults "$DISK" "$STATE" 2>&1)" ||
            fail "the state disk cannot be mounted: $(last_line "$words")"
    fi
    mark_state
}

# The disk of another cluster is not ours to write on, nor is one with others' files.
mark_state() {
    local words mark="$STATE/iris-uid"
    if [ -s "$mark" ]; then
        [ "$(cat "$mark")" = "$CLUSTER_UID" ] ||
            fail "the state disk is of cluster uid $(cat "$mark"), not $CLUSTER_UID"
        words="$(touch "$mark" 2>&1)" ||
            fail "the state disk cannot be written: $(last_line "$words")"
        return
    fi
    words="$(find "$STATE" -mindepth 1 -maxdepth 1 ! -name lost+found \
        ! -name 'iris-uid*' -printf '%f ' -quit 2>&1)"
    [ -z "$words" ] || fail "the state disk has files of somebody else: $words"
    words="$({
        umask 077
        printf '%s' "$CLUSTER_UID" >"$mark.new" && sync "$mark.new" &&
            mv "$mark.new" "$mark"
    } 2>&1)" || fail "the state disk cannot be written: $(last_line "$words")"
}

# Its container is not root's. Where the machine is a folder, all is one person's.
give_to_controller() {
    local words
    [ -z "$ROOT" ] || return 0
    words="$({
        chown -R "$OWNER:$OWNER" "$MACHINE" "$CACHE" &&
            chown "$OWNER:$OWNER" /etc/iris/config.yaml "$STATE" "$STATE/iris-uid" &&
            # what it wrote itself is its own already, and may be much
            find "$STATE" ! -user "$OWNER" -exec chown "$OWNER:$OWNER" {} +
    } 2>&1)" || fail "the controller's files cannot be given to it: $(last_line "$words")"
}

# --marked: where its disk is not mounted, an empty folder is no state.
run_controller() {
    local variables=() name words ssh_keys
    for name in GCE_METADATA_HOST GCE_METADATA_IP GCE_METADATA_ROOT IRIS_COMPUTE_URL \
        IRIS_TPU_URL IRIS_RESOURCE_MANAGER_URL; do
        [ -n "${!name:-}" ] && variables+=(-e "$name=${!name}")
    done
    want ssh_keys instance/attributes/ssh-keys
    variables+=(-e "IRIS_SSH_KEYS=$ssh_keys")
    # only root may listen on those
    [ "$PORT" -ge 1024 ] || [ -n "$ROOT" ] || variables+=(--user 0:0)
    make_room_to_run
    words="$(timeout 120 docker run -d --name "$NAME" --network=host --restart=always \
        --init --log-opt max-size=20m --log-opt max-file=2 \
        -v "$ROOT/etc/iris/config.yaml:/etc/iris/config.yaml:ro" \
        -v "$MACHINE:/var/lib/iris/machine" \
        -v "$STATE:/var/lib/iris/state" \
        -v "$CACHE:/var/cache/iris" "${ONLY_OF_THIS_BOOT[@]}" \
        "${variables[@]}" "$IMAGE" \
        python -m iris.controller --machine /var/lib/iris/machine \
        --config /etc/iris/config.yaml --state /var/lib/iris/state --marked \
        --listen "$ADDRESS" --log /var/lib/iris/machine/controller.log 2>&1)" ||
        fail "the controller's container does not start: $(last_line "$words")"
}

wait_for_health() {
    local health until=$((SECONDS + 300))
    while [ "$SECONDS" -lt "$until" ]; do
        health="$(curl --silent --max-time 5 "http://$ADDRESS:$PORT/health")"
        case "$health" in
        *"\"cluster_uid\":\"$CLUSTER_UID\""*)
            phase "controller healthy"
            return
            ;;
        esac
        ends_again_and_again && break
        sleep 0.1
    done
    fail "the controller does not answer: $(last_words)"
}

phase "boot started"
DOCKER_CONFIG="$(mktemp -d)" || fail "there is no room for temporary files"
export DOCKER_CONFIG # where the registry's token lies, as long as it is needed
trap 'rm -rf "$DOCKER_CONFIG"' EXIT
require CLUSTER_UID instance/attributes/iris-uid
require IMAGE instance/attributes/iris-image
require PORT instance/attributes/iris-port
require ADDRESS instance/network-interfaces/0/ip
require CONFIG instance/attributes/iris-config
want CONFIG_REST instance/attributes/iris-config-rest
write_config
phase "config written"
mount_state
phase "state disk mounted"
install_docker
phase "docker ready"
pull
phase "image pulled"
give_to_controller
run_controller
phase "container started"
wait_for_health
