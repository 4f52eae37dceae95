"""Containers of a VM: folders, each with a shim that is parent of its processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SHIM = Path(__file__).with_name("shim.py")
STOP_GRACE = 10.0  # seconds between SIGTERM and SIGKILL, as Docker has it
PAUSE = 0.005  # seconds between looks
UP_WITHIN = 5.0  # seconds in which a shim says how its command does


class Wrong(Exception):
    """How it ends: an exit status and a line."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def containers() -> Path:
    """Where the VM's containers lie."""
    folder = Path(os.environ["IRIS_EMULATED_VM"]) / "containers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def every() -> list[Path]:
    """Every container of the VM, by name."""
    return sorted(p for p in containers().iterdir() if (p / "spec.json").exists())


def there(name: str) -> Path:
    """One of them, by its name or id."""
    for folder in every():
        if folder.name == name or str(spec_of(folder)["id"]).startswith(name):
            return folder
    raise Wrong(1, f"Error response from daemon: No such container: {name}")


def spec_of(folder: Path) -> dict[str, Any]:
    """As it was asked for."""
    spec: dict[str, Any] = json.loads((folder / "spec.json").read_text())
    return spec


def state_of(folder: Path) -> dict[str, Any]:
    """What its shim said last."""
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
    except (OSError, ValueError):
        return {}
    return state


def pid_of(folder: Path) -> int | None:
    """The shim, where it lives."""
    try:
        pid = int((folder / "shim.pid").read_text())
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    is_dead = stat.rpartition(b")")[2].split()[0] in (b"Z", b"X")
    return None if is_dead or os.fsencode(folder) not in words else pid


def start_up(folder: Path) -> None:
    """Its shim starts the command, and starts it again as its policy says."""
    (folder / "stopped").unlink(missing_ok=True)
    shim = subprocess.Popen(
        [sys.executable, "-I", "-S", str(SHIM), str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    (folder / "shim.pid").write_text(str(shim.pid))
    until = time.monotonic() + UP_WITHIN
    while not (folder / "state.json").exists() and time.monotonic() < until:
        if shim.poll() is not None:
            break
        time.sleep(PAUSE)


def end(folder: Path, grace: float) -> None:
    """End its whole tree; without grace at once."""
    (folder / "stopped").touch()
    pid = pid_of(folder)
    if pid is None:
        return
    until = time.monotonic() + grace
    signals = [signal.SIGTERM] if grace else []
    for number in [*signals, signal.SIGUSR1]:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        while pid_of(folder) is not None and time.monotonic() < until:
            time.sleep(PAUSE)
        until = time.monotonic() + STOP_GRACE


def remove(folder: Path) -> None:
    """Links are unlinked: what a volume holds is not the container's."""
    for path, folders, files in os.walk(folder, topdown=False):
        for name in files:
            os.unlink(os.path.join(path, name))
        for name in folders:
            inner = os.path.join(path, name)
            os.unlink(inner) if os.path.islink(inner) else os.rmdir(inner)
    folder.rmdir()
