"""Which boot of which machine a keeper belongs to."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from iris.paths import machine_path
from iris.processes import started_at
from iris.worker.folders import VmFolder, write_private

# what the boot script makes anew at each boot; else the kernel's own word
_MARKS = (Path("/run/iris/boot"), Path("/proc/sys/kernel/random/boot_id"))


class KeeperFile(msgspec.Struct, frozen=True):
    """What a keeper writes of itself once it runs."""

    pid: int
    began: float
    boot_id: str  # of the worker: another one means that its attempts ended
    machine: str = ""  # the boot of the machine, empty where it is not told


def machine_boot() -> str:
    """What is another after each boot of this machine; empty where nothing is."""
    for mark in _MARKS:
        with contextlib.suppress(OSError):
            return machine_path(mark).read_text().strip()
    return ""


def former_keeper(folder: VmFolder) -> KeeperFile | None:
    """The keeper that was here before."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(folder.keeper.read_bytes(), type=KeeperFile)
    return None


def boot_to_go_on(folder: VmFolder) -> str:
    """The boot id of a keeper whose attempts may live on; empty without one."""
    former, machine = former_keeper(folder), machine_boot()
    return former.boot_id if former and machine and former.machine == machine else ""


def write_keeper_file(folder: VmFolder, boot_id: str) -> None:
    """Say who we are. Raises OSError."""
    pid = os.getpid()
    file = KeeperFile(pid, started_at(pid) or 0.0, boot_id, machine_boot())
    write_private(folder.keeper, msgspec.json.encode(file))
