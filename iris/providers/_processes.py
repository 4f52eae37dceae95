"""Processes of this machine: started on their own, found again, surely ended.

A process that only waits to be reaped counts as dead: it does nothing any more,
and its parent may never look.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from iris.clock import Clock
from iris.errors import Unavailable
from iris.processes import started_at

VM_VARIABLE = "IRIS_VM"  # every process of a VM carries the VM's folder in it
PAUSE = 0.01  # seconds between two looks at what should be gone
# Of a person's environment only what a fresh machine has too: no secrets travel.
KEPT_VARIABLES = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "DOCKER_HOST",  # the engine of this machine, where that is another than root's
)

_started: set[int] = set()  # pids of children that were not taken leave of
_started_lock = threading.Lock()
_NEVER = threading.Event()


def boot() -> str:
    """Tells the time since the machine booted from any before it.

    Numbers of processes start anew then; in a container, when its first one does.
    """
    try:
        kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        kernel = f"{psutil.boot_time():.0f}"
    return f"{kernel} {started_at(1)}"


def start_detached(
    words: Sequence[str], *, log: Path, variables: Mapping[str, str]
) -> int:
    """Start a program that outlives us, in a session of its own; returns its pid."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            words,
            cwd="/",
            env={**kept, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        os.close(output)
    process.returncode = 0  # it outlives us, so this object may go before it
    with _started_lock:
        _started.add(process.pid)
    return process.pid


def reap() -> None:
    """Take leave of those that we started and that have ended."""
    with _started_lock:
        _started.difference_update([pid for pid in _started if _has_left(pid)])


def _has_left(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:  # somebody else has waited for it
        return True


def living(pid: int) -> psutil.Process | None:
    """The process of that number, unless it has ended."""
    try:
        process = psutil.Process(pid)
        return process if _is_living(process) else None
    except psutil.Error:
        return None


def running_with(words: Sequence[str]) -> list[psutil.Process]:
    """Every process whose command line has these words in a row."""
    return [each for each in _all_living() if _has_words(each, words)]


def vm_of(process: psutil.Process) -> str:
    """The folder of the VM that a process belongs to, empty for none."""
    try:
        return str(process.environ().get(VM_VARIABLE, ""))
    except (psutil.Error, OSError):
        return ""


def all_of_vms(vms: Collection[Path], groups: Collection[int]) -> list[psutil.Process]:
    """Every process of some VMs: by its environment, its group, or its forebears.

    `groups` are the process groups that they recorded and that are still their own.
    """
    named = {str(vm) for vm in vms}
    everything = list(_all_living())
    parents = {each.pid: _parent_of(each) for each in everything}
    ours = {
        each.pid
        for each in everything
        if vm_of(each) in named or _group_of(each.pid) in groups
    }
    return [each for each in everything if _descends(each.pid, parents, ours)]


def end_all(
    find: Callable[[], list[psutil.Process]], clock: Clock, within: float
) -> None:
    """Kill all that is found, and what comes of it meanwhile. Raises Unavailable.

    All are frozen first: a parent that is killed while its child lives on leaves a
    child that nobody can tell from others.
    """
    until = clock.now() + within
    condemned = _freeze(find, clock, until)
    quiet = 0
    # two looks, as a look is no moment: what it finds may fork behind its back
    while quiet < 2:
        left = [each for each in condemned if each.is_running() and _is_living(each)]
        found = {each.pid: each for each in (*left, *find())}
        quiet = 0 if found else quiet + 1
        if found and clock.now() >= until:
            pids = ", ".join(map(str, found))
            raise Unavailable(f"processes {pids} do not end, killed for {within:.0f} s")
        for process in found.values():
            with suppress(psutil.Error):
                process.kill()
        if found:
            clock.wait(_NEVER, PAUSE)


def _freeze(
    find: Callable[[], list[psutil.Process]], clock: Clock, until: float
) -> list[psutil.Process]:
    frozen: dict[int, psutil.Process] = {}
    while clock.now() < until:
        fresh = [each for each in find() if each.pid not in frozen]
        if not fresh:
            break
        for process in fresh:
            frozen[process.pid] = process
            with suppress(psutil.Error):
                process.suspend()
    return list(frozen.values())


def _all_living() -> Iterator[psutil.Process]:
    return (each for each in psutil.process_iter() if _is_living(each))


def _has_words(process: psutil.Process, words: Sequence[str]) -> bool:
    try:
        line = process.cmdline()
    except psutil.Error:
        return False
    wanted, count = list(words), len(words)
    return any(line[at : at + count] == wanted for at in range(len(line)))


def _is_living(process: psutil.Process) -> bool:
    try:
        return bool(process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD))
    except psutil.Error:
        return False


def _parent_of(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def _descends(pid: int, parents: Mapping[int, int], from_any: set[int]) -> bool:
    seen: set[int] = set()
    while pid and pid not in seen:
        if pid in from_any:
            return True
        seen.add(pid)
        pid = parents.get(pid, 0)
    return False
