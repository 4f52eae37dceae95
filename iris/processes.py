"""Looks at the machine's processes, through /proc where there is one, and ends them.

psutil is imported only where it is needed: keepers use this module and stay small.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

HAS_PROC = os.path.exists("/proc/self/stat")  # Linux


def started_at(pid: int) -> float | None:
    """When the process began, in seconds since the machine booted; None if dead.

    A pid together with this time is never reused. Not the time of day: that moves
    when the clock is set, and every process would look like another. A zombie
    counts as dead.
    """
    if not HAS_PROC:
        return _started_at_by_psutil(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19]) / float(os.sysconf("SC_CLK_TCK"))


def _started_at_by_psutil(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        is_dead = process.status() == psutil.STATUS_ZOMBIE
        return None if is_dead else process.create_time()
    except psutil.Error:
        return None


def is_same(pid: int, began: float) -> bool:
    """Is that very process alive?"""
    now = started_at(pid)
    # the start is kept in ticks of 10 ms
    return now is not None and abs(now - began) < 0.05


def variables_of(pid: int) -> dict[str, str]:
    """The environment of a process as it was started; empty where it is not told."""
    if not HAS_PROC:
        return _variables_by_psutil(pid)
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = os.fsdecode(file.read()).split("\0")
    except OSError:
        return {}
    return {name: value for name, _, value in (e.partition("=") for e in entries)}


def _variables_by_psutil(pid: int) -> dict[str, str]:
    import psutil

    try:
        return dict(psutil.Process(pid).environ())
    except (psutil.Error, OSError):
        return {}


def all_pids() -> list[int]:
    """Every process of the machine, the dead ones that nobody reaped too."""
    if HAS_PROC:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    import psutil

    return list(psutil.pids())


def with_variables(**wanted: str) -> Iterator[int]:
    """The living pids whose environment, as they were started, has all of these."""
    for pid in all_pids():
        if pid == os.getpid():
            continue
        if wanted.items() <= variables_of(pid).items() and started_at(pid) is not None:
            yield pid


def send(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal one process; one that is dead already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_group(pgid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process group; one that is empty already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)
