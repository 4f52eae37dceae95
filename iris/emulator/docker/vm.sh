#!/bin/bash
# What a VM does by itself, as a container: what Google's guest environment does on a
# real one. Its output is the console.
set -u

METADATA=http://metadata.google.internal/computeMetadata/v1
# in the order of linux/capability.h
CAPABILITIES="CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER
SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE
SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP
MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF
CHECKPOINT_RESTORE"
SUDOERS=/etc/sudoers.d/google_sudoers

say() { echo "iris-vm: $*"; }
metadata() {
    curl --silent --fail --max-time 90 --header 'Metadata-Flavor: Google' "$METADATA/$1"
}

# A VM that is a container has fewer rights than one that is a machine: what a container
# of its own asks for beyond them (--privileged, --ulimit) is left out, and nothing else;
# as it starts, and for each command in it (exec).
write_runtime() {
    local bounds place name words=""
    bounds=$((16#$(sed -n 's/^CapBnd:\s*//p' /proc/self/status)))
    place=0
    for name in $CAPABILITIES; do
        ((bounds >> place & 1)) ||
            words+="s/\"CAP_$name\",//g;s/,\"CAP_$name\"]/]/g;"
        place=$((place + 1))
    done
    (ulimit -l unlimited) 2>/dev/null ||
        words+='s/{"type":"RLIMIT_MEMLOCK"[^}]*},\{0,1\}//;'
    cat >"$1" <<EOS
#!/bin/bash
for ((i = 1; i < \$#; i++)); do
    next=\$((i + 1))
    case "\${!i}" in
    --bundle) sed -i '$words' "\${!next}/config.json" ;;
    --process) sed -i '$words' "\${!next}" ;;
    esac
done
exec runc "\$@"
EOS
    chmod 755 "$1"
}

# -- the network: the metadata server's address
ip address replace 169.254.169.254/32 dev lo

# -- the engine; what a cut left behind names processes that are no more
rm -f /var/run/docker.pid /run/docker/containerd/containerd.pid
read -ra registries <<<"${IRIS_VM_REGISTRIES:-}"
write_runtime /usr/local/sbin/iris-runc
keep_engine() {
    while :; do # as systemd does, with the pause of Debian's docker.service
        dockerd "${registries[@]/#/--insecure-registry=}" \
            --add-runtime iris=/usr/local/sbin/iris-runc --default-runtime iris
        sleep 2
    done >>/var/log/docker.log 2>&1
}
keep_engine &

# -- SSH, for the accounts that the metadata names
mkdir -p /run/sshd
ssh-keygen -A >/dev/null
echo '%google-sudoers ALL=(ALL:ALL) NOPASSWD:ALL' >"$SUDOERS"
chmod 440 "$SUDOERS"
getent group google-sudoers >/dev/null || groupadd google-sudoers
/usr/sbin/sshd -o UsePAM=no -o PasswordAuthentication=no -o MaxStartups=100

until metadata instance/id >/dev/null; do sleep 0.2; done
# the address that the internet sees is another after each time that the VM was off
outside="$(metadata instance/network-interfaces/0/access-configs/0/external-ip)"
[ -n "$outside" ] && ip address replace "$outside/32" dev eth0

accounts() {
    local user key home
    while IFS=: read -r user key; do
        [ -n "$user" ] && [ -n "$key" ] || continue
        id "$user" >/dev/null 2>&1 ||
            useradd --password '*' --create-home --shell /bin/bash --groups google-sudoers "$user"
        home="$(getent passwd "$user" | cut -d: -f6)"
        install -d -m 700 -o "$user" "$home/.ssh"
        grep -sqxF "$key" "$home/.ssh/authorized_keys" ||
            echo "$key" >>"$home/.ssh/authorized_keys"
        chown "$user" "$home/.ssh/authorized_keys"
        chmod 600 "$home/.ssh/authorized_keys"
    done < <(
        metadata instance/attributes/ssh-keys
        echo
        metadata project/attributes/ssh-keys
        echo
    )
}
keep_accounts() {
    local last=0
    while sleep 0.1; do
        accounts
        last="$(curl --silent --max-time 90 --header 'Metadata-Flavor: Google' \
            --output /dev/null --dump-header - \
            "$METADATA/?recursive=true&wait_for_change=true&timeout_sec=60&last_etag=$last" |
            sed -n 's/^ETag: *\([^\r]*\).*/\1/ip')"
        [ -n "$last" ] || sleep 1
    done
}
publish_keys() {
    local kind key
    [ "$(metadata instance/attributes/enable-guest-attributes)" = TRUE ] || return
    read -r kind key _ </etc/ssh/ssh_host_ed25519_key.pub
    curl --silent --fail --request PUT --data "$key" --header 'Metadata-Flavor: Google' \
        "$METADATA/instance/guest-attributes/hostkeys/$kind" >/dev/null
}
accounts
publish_keys
keep_accounts &

# -- the startup script, at every boot
run_startup_script() {
    local script status runner="google_metadata_script_runner[1]:"
    script="$(mktemp)"
    if metadata instance/attributes/startup-script >"$script"; then
        chmod 700 "$script"
        env -u HOME "$script" </dev/null 2>&1 |
            sed -u "s/^/$runner startup-script: /" | tee -a /var/log/syslog
        status="${PIPESTATUS[0]}"
        echo "$runner startup-script exit status $status"
    fi
    echo "$runner Finished running startup scripts."
}
until docker info >/dev/null 2>&1; do sleep 0.1; done
run_startup_script &

trap 'exit 0' TERM
while :; do wait -n || sleep 1; done
