"""Where an attempt of this machine runs, and in which environment."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

import msgspec

from iris.errors import NotThere
from iris.processes import all_pids, is_same, variables_of
from iris.worker.folders import VmFolder
from iris.worker.journal import Line
from iris.worker.kept import KeptAttempts

PAUSE = 0.05  # seconds between looks at whether it lives
_NEVER = threading.Event()


class Place(msgspec.Struct, frozen=True):
    """A live attempt."""

    uid: str
    vm: VmFolder
    pid: int = 0  # of its first process, 0 where there is none
    began: float = 0.0  # tells that process from a later one of the same number
    is_process: bool = True  # it is, or was before it failed

    @property
    def is_live(self) -> bool:
        """Does the attempt still run?"""
        if self.is_process:
            is_kept = self.vm.kept(self.uid).exists()
            return is_kept or is_same(self.pid, self.began)
        return _is_known(self.vm, self.uid)

    def ends_within(self, seconds: float) -> bool:
        """Does it run no more, or only for a moment?"""
        until = time.monotonic() + seconds
        while self.is_live:
            if time.monotonic() >= until:
                return False
            _NEVER.wait(PAUSE)
        return True

    @property
    def work(self) -> Path:
        """The folder that a visit begins in."""
        work = self.vm.work(self.uid)
        return work if work.is_dir() else self.vm.root

    def environment(self) -> dict[str, str]:
        """What a visitor's command sees, in an attempt that is a process."""
        with contextlib.suppress(OSError):  # it failed, and its place is kept
            written = self.vm.kept(self.uid).read_bytes()
            pairs = msgspec.msgpack.decode(written, type=dict[bytes, bytes])
            return {os.fsdecode(k): os.fsdecode(v) for k, v in pairs.items()}
        return variables_of(self.pid) if self.pid else {}

    def command(self, words: tuple[bytes, ...]) -> list[bytes]:
        """What is run here to run the words there; none of them mean a shell."""
        if self.is_process:
            return list(words or (_shell(self.environment()),))
        program = [sys.executable, "-m", "iris.worker.entering.containers"]
        return [*map(os.fsencode, (*program, str(self.vm.root), self.uid)), *words]


def find_place(uid: str) -> Place:
    """Raises NotThere where no such attempt runs on this machine."""
    for vm in _vms():
        if not vm.attempt(uid).is_dir():
            continue
        if vm.kept(uid).exists():
            return Place(uid, vm)
        if _is_known(vm, uid):
            return Place(uid, vm, is_process=False)
        started = _started(vm, uid)
        if started is not None and is_same(started.pid, started.began):
            return Place(uid, vm, started.pid, started.began)
    raise NotThere(
        f"attempt {uid} does not run any more, or not yet",
        hint="See `inv job.list`.",
    )


def _vms() -> list[VmFolder]:
    """The VMs of this machine: their agents name them."""
    roots = {variables_of(pid).get("IRIS_VM", "") for pid in all_pids()}
    return [VmFolder(Path(root)) for root in sorted(roots - {""})]


def _is_known(vm: VmFolder, uid: str) -> bool:
    """Is it a container that runs?"""
    known = KeptAttempts(vm.known).find(uid)
    return known is not None and bool(known.started_at) and not known.ended_at


def _started(vm: VmFolder, uid: str) -> Line | None:
    """What its keeper wrote down when it started it."""
    found = None
    with contextlib.suppress(OSError):
        for written in vm.journal.read_bytes().splitlines():
            with contextlib.suppress(msgspec.MsgspecError):
                line = msgspec.json.decode(written, type=Line)
                if (line.uid, line.event) == (uid, "started"):
                    found = line
    return found


def _shell(environment: dict[str, str]) -> bytes:
    """A shell that people like to type into, where there is one."""
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        if os.access(Path(folder) / "bash", os.X_OK):
            return b"bash"
    return b"sh"
