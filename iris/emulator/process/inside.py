"""What runs inside VMs: found by the environment, or by its forebears."""

from __future__ import annotations

import os

import psutil

from iris.processes import variables_of

VARIABLE = "IRIS_EMULATED_VM"  # every process of a VM has the VM's folder in it


def processes_of(folders: set[str]) -> list[psutil.Process]:
    """Every process of some VMs: by its environment, or by its forebears."""
    everything = {each.pid: each for each in psutil.process_iter(["ppid"])}
    ours = {pid for pid in everything if _vm_of(pid) in folders}
    below = dict.fromkeys(ours)
    more = ours
    while more:
        more = {
            pid
            for pid, each in everything.items()
            if each.info["ppid"] in below and pid not in below
        }
        below |= dict.fromkeys(more)
    below.pop(os.getpid(), None)
    return [everything[pid] for pid in below if _is_living(everything[pid])]


def _vm_of(pid: int) -> str:
    return variables_of(pid).get(VARIABLE, "")


def _is_living(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
