"""A folder that stands for a VM while bash runs a boot script in it.

Programs that only root may run are stand-ins that keep what they did in files; time
passes by `sleep` alone, so that every deadline is over at once.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from iris.bootstrapping import config_attributes
from iris.paths import bootstrap_folder
from tests.support.http_server import Asked, HttpServer, Said

FLAVOR = "/computeMetadata/v1/instance/"
CLUSTER_UID = "c1"
SECRET, BOOT_SECRET = "join-token-of-worker-0", "boot-token-of-the-slice"
REGISTRY_SECRET = "access-token-of-the-account"
REGISTRY = "europe-west4-docker.pkg.dev/p/iris"
# $FAILING names a program, or a command of docker, that fails; $KILLED_AT one at which
# the power goes. Words on standard output are logged, for the tests to read.
_BEFORE = """#!/bin/bash
step="${0##*/}"; [ "$step" = docker ] && step="docker $1"
echo "$step ${*@Q}" >>"$IRIS_ROOT/said.log"
[ "$step" = "$KILLED_AT" ] && kill -9 0
[ "$step" = "$FAILING" ] &&
    { echo "$step: no, Iris's \\"büro\\" is closed" >&2; exit 9; }
"""
_STAND_INS = {
    "docker": """
[ -e "$0.$1" ] && exec "$0.$1"
case "$1" in
login) cat >"${DOCKER_CONFIG:?}/config.json" ;;
image) [ -e "$IRIS_ROOT/image-is-here" ] ;;
run)
    [ -e "$IRIS_ROOT/restarts" ] ||
        touch -d '+1 min' "$IRIS_ROOT/var/cache/iris/vm/keeper.json" ;;
inspect) cat "$IRIS_ROOT/restarts" ;;
logs) cat "$IRIS_ROOT/container.log" ;;
esac
""",
    "timeout": 'shift; [ "$1 $2" = "$HANGING" ] && exit 124; exec "$@"',
    "curl": 'exec /usr/bin/curl "$@"',
    "blkid": '[ -e "$IRIS_ROOT/formatted" ] || exit "${BLKID:-2}"',
    "mkfs.ext4": 'touch "$IRIS_ROOT/formatted"',
    "mountpoint": '[ -e "$IRIS_ROOT/mounted" ]',
    "mount": 'touch "$IRIS_ROOT/mounted"',
    "sync": "true",
}
_SLEEP = '() { SECONDS=$((SECONDS + ${1%%.*} + 4)); eval "$ON_SLEEP"; }'


class Machine:
    """The folder, its metadata server, and a controller, which are one server here."""

    def __init__(self, root: Path, server: HttpServer) -> None:
        self.root = root
        self.server = server
        self.attributes: dict[str, str] = {}
        self.unavailable: Counter[str] = Counter()  # answers of 503, by last word
        self.reports: list[tuple[str, dict[str, object]]] = []
        self.on_ask: Callable[[str], object] = str
        self.has_account = True
        self.refusing = 0  # reports that the controller has no time for
        self.health = json.dumps({"cluster_uid": CLUSTER_UID}, separators=(",", ":"))
        self.bin = root / "bin"
        for folder in (self.bin, root / "var/cache/iris/vm", root / "tmp"):
            folder.mkdir(parents=True)
        self.disk = root / "dev/disk/by-id/google-iris-state"
        self.disk.parent.mkdir(parents=True)
        self.disk.touch()
        for name, words in _STAND_INS.items():
            self.add_program(name, words)

    @property
    def state(self) -> Path:
        """Where the state disk is mounted."""
        return self.root / "mnt/iris-state"

    def add_program(self, name: str, words: str) -> None:
        """Put one more on its PATH."""
        (self.bin / name).write_text(f"{_BEFORE}{words}\n")
        (self.bin / name).chmod(0o755)

    def answer(self, asked: Asked) -> Said:
        """As the metadata server, and as the controller."""
        if asked.path == "/health":
            return Said(body=self.health.encode())
        if asked.method == "POST":
            return self._report(asked)
        self.on_ask(asked.path)
        name = asked.path.rpartition("/")[2]
        if self.unavailable[name] > 0:
            self.unavailable[name] -= 1
            return Said(503)
        if name == "token" and self.has_account:
            return Said(body=json.dumps({"access_token": REGISTRY_SECRET}).encode())
        if name == "ip":
            return Said(body=b"127.0.0.1")
        value = self.attributes.get(asked.path.removeprefix(f"{FLAVOR}attributes/"))
        return Said(404) if value is None else Said(body=value.encode())

    def _report(self, asked: Asked) -> Said:
        if self.refusing:
            self.refusing -= 1
            return Said(503)
        self.reports.append((asked.token, json.loads(asked.body)))
        return Said()

    def run(self, script: str, *, path: str = "", **environment: str) -> str:
        """What the console shows."""
        ran = subprocess.run(
            ["bash", str(bootstrap_folder() / script)],
            env={
                "PATH": f"{self.bin}:{path or os.environ['PATH']}",
                "IRIS_ROOT": str(self.root),
                "TMPDIR": str(self.root / "tmp"),
                "GCE_METADATA_HOST": self.server.url.removeprefix("http://"),
                "BASH_FUNC_sleep%%": _SLEEP,
                **dict.fromkeys(("FAILING", "KILLED_AT", "HANGING", "ON_SLEEP"), ""),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
            start_new_session=True,  # a power failure takes nobody else along
        )
        return (ran.stdout + ran.stderr).decode()

    def read(self, name: str) -> bytes:
        """A file of it."""
        return (self.root / name).read_bytes()

    def said(self) -> list[str]:
        """Each program that was run, with its words."""
        file = self.root / "said.log"
        return file.read_text().splitlines() if file.exists() else []

    def ran(self, step: str) -> int:
        """How often a program, or a command of docker, was run."""
        return sum(line.startswith(f"{step} ") for line in self.said())

    def phases(self) -> list[object]:
        """What the controller heard."""
        return [report["phase"] for _, report in self.reports]

    def reason(self) -> str:
        """Why the boot failed, as the controller heard it."""
        found = [r["detail"] for _, r in self.reports if r["phase"] == "failed"]
        return str(found[-1]) if found else ""


def controller(machine: Machine, text: str = "name: eu\n") -> Machine:
    """As a controller's VM is told."""
    machine.attributes = {
        **config_attributes(text),
        "iris-uid": CLUSTER_UID,
        "iris-image": f"{REGISTRY}/iris-controller:1",
        "iris-port": str(machine.server.port),
        "ssh-keys": "iris:ssh-ed25519 AAAA iris",
    }
    return machine


def worker(machine: Machine) -> Machine:
    """As worker 0 of a slice is told."""
    machine.attributes = {
        "iris-uid": CLUSTER_UID,
        "iris-slice": "eu-tpu-1",
        "iris-controller": machine.server.url,
        "iris-image": f"{REGISTRY}/iris-worker:1",
        "iris-runtime": "process",
        "agent-worker-number": "0",
        "iris-join-token-0": SECRET,
        "iris-boot-token": BOOT_SECRET,
    }
    return machine
