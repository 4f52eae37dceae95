"""What runs inside VMs: found by the environment, or by its forebears."""

from __future__ import annotations

import os

import psutil

from iris.processes import all_pids, variables_of

VARIABLE = "IRIS_EMULATED_VM"  # every process of a VM has the VM's folder in it


def processes_of(folders: set[str]) -> list[psutil.Process]:
    """Every process of some VMs: by its environment, or by its forebears."""
    # not by psutil's list of them, whose members all threads share
    parents = {pid: _parent_of(pid) for pid in all_pids()}
    below = {pid for pid in parents if variables_of(pid).get(VARIABLE) in folders}
    more = below
    while more:
        more = {pid for pid, parent in parents.items() if parent in below} - below
        below = below | more
    return [each for pid in below - {os.getpid()} if (each := _living(pid))]


def _parent_of(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _living(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return process if process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None
