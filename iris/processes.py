"""Looks at the machine's processes, and ends them for certain."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil


def started_at(pid: int) -> float | None:
    """When the process began, in seconds since the machine booted; None if dead.

    A pid together with this time is never reused. Not the time of day: that moves
    when the clock is set, and every process would look like another. A zombie
    counts as dead.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists():  # where there is no /proc
            return process.create_time()
        ticks = int(stat.read_bytes().rpartition(b")")[2].split()[19])
        return ticks / float(os.sysconf("SC_CLK_TCK"))
    except (psutil.Error, OSError):
        return None


def is_same(pid: int, began: float) -> bool:
    """Is that very process alive?"""
    now = started_at(pid)
    # the start is kept in ticks of 10 ms
    return now is not None and abs(now - began) < 0.05


def with_variables(**wanted: str) -> Iterator[int]:
    """The pids whose environment, as they were started, has all of these."""
    for process in psutil.process_iter():
        try:
            variables = process.environ()
            is_dead = process.status() == psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):  # it ended, or is somebody else's
            continue
        is_other = process.pid != os.getpid() and not is_dead
        if is_other and wanted.items() <= variables.items():
            yield process.pid


def send(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal one process; one that is dead already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_group(pgid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process group; one that is empty already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)
