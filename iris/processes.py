"""Looks at the machine's processes through /proc, and ends them for certain."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil


def started_at(pid: int) -> float | None:
    """When the process began, as seconds since the epoch; None if it is dead.

    A pid together with this time is never reused. A zombie counts as dead.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.create_time()
    except psutil.Error:
        return None


def is_same(pid: int, began: float) -> bool:
    """Is that very process alive?"""
    now = started_at(pid)
    # the start is kept in ticks of 10 ms
    return now is not None and abs(now - began) < 0.05


def with_variables(**wanted: str) -> Iterator[int]:
    """The pids whose environment, as they were started, has all of these."""
    entries = {f"{name}={value}".encode() for name, value in wanted.items()}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if entries.issubset(variables) and started_at(int(entry.name)) is not None:
            yield int(entry.name)


def send(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal one process; one that is dead already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_group(pgid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process group; one that is empty already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)
