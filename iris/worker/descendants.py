"""Which processes belong to which attempt.

The keeper is the subreaper of all that it starts, so what leaves its parents
becomes a child of the keeper: a *stranger*. Its session tells whose it is, or its
environment, or else the folder that it works in or writes to.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from iris.processes import HAS_PROC, all_pids, variables_of


class Seen(msgspec.Struct, frozen=True):
    """One living process at one look."""

    pid: int
    parent: int
    session: int
    rss_bytes: int


class Sorted(msgspec.Struct, frozen=True):
    """The processes of a VM: of each attempt, and those that bear no mark."""

    by_uid: dict[str, set[int]]
    unclaimed: set[int]


def look() -> dict[int, Seen]:
    """Every living process of the machine; those that end meanwhile are left out."""
    pids = all_pids()
    found = map(_seen_in_proc, pids) if HAS_PROC else map(seen_by_psutil, pids)
    return {seen.pid: seen for seen in found if seen is not None}


def _seen_in_proc(pid: int) -> Seen | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    rss_bytes = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return Seen(pid, int(fields[1]), int(fields[3]), rss_bytes)


def seen_by_psutil(pid: int) -> Seen | None:
    """The same where there is no /proc."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        rss_bytes = process.memory_info().rss
        return Seen(pid, process.ppid(), os.getsid(pid), rss_bytes)
    except (psutil.Error, OSError):
        return None


def sort(
    seen: Mapping[int, Seen], vm: Path, roots: Mapping[int, str], agent: int
) -> Sorted:
    """Whose each process below this one is; `roots` are the uids by first process."""
    below = _children(seen)
    by_uid: dict[str, set[int]] = {uid: set() for uid in roots.values()}
    unclaimed: set[int] = set()
    for top in below.get(os.getpid(), ()):
        if top != agent:
            tree = set(_tree(top, below))
            uid = roots.get(top) or _claim(tree, seen, vm, roots)
            by_uid.get(uid, unclaimed).update(tree)
    for each in seen.values():  # without a subreaper strangers are nobody's children
        if each.session in roots:
            by_uid[roots[each.session]].add(each.pid)
    return Sorted(by_uid, unclaimed)


def _children(seen: Mapping[int, Seen]) -> dict[int, list[int]]:
    below: dict[int, list[int]] = {}
    for each in seen.values():
        below.setdefault(each.parent, []).append(each.pid)
    return below


def _tree(top: int, below: Mapping[int, list[int]]) -> Iterator[int]:
    left = [top]
    while left:
        pid = left.pop()
        yield pid
        left += below.get(pid, ())


def _claim(
    tree: Iterable[int], seen: Mapping[int, Seen], vm: Path, roots: Mapping[int, str]
) -> str:
    for pid in tree:
        uid = roots.get(seen[pid].session) or mark_of(pid, vm)
        if uid:
            return uid
    return ""


def mark_of(pid: int, vm: Path) -> str:
    """The attempt that a process says it is of, by its environment or its files."""
    variables = variables_of(pid)
    if variables.get("IRIS_VM") == str(vm) and "IRIS_ATTEMPT_UID" in variables:
        return variables["IRIS_ATTEMPT_UID"]
    attempts = f"{vm}/attempts/"
    for target in _files_of(pid):
        if target.startswith(attempts):
            return target.removeprefix(attempts).partition("/")[0]
    return ""


def _files_of(pid: int) -> Iterator[str]:
    """Where it works, and what it has open; nothing where /proc does not tell."""
    with contextlib.suppress(OSError):
        yield os.readlink(f"/proc/{pid}/cwd")
        for name in os.listdir(f"/proc/{pid}/fd"):
            yield os.readlink(f"/proc/{pid}/fd/{name}")


def own_children() -> list[int]:
    """The pids of this process's children, the adopted ones too."""
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:  # a kernel without that file
        return [each.pid for each in look().values() if each.parent == me]


def memory_of(pids: Iterable[int], seen: Mapping[int, Seen]) -> int:
    """Bytes that they hold together; what they share is counted for each of them."""
    return sum(seen[pid].rss_bytes for pid in pids)


def fair_memory_of(pids: Iterable[int], seen: Mapping[int, Seen]) -> int:
    """The same, with what is shared counted once; a slow look for large processes."""
    return sum(_fair_share(seen[pid]) for pid in pids)


def _fair_share(process: Seen) -> int:
    try:
        with open(f"/proc/{process.pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        # it ended since, or the system does not tell this of it
        has_ended = HAS_PROC and not os.path.exists(f"/proc/{process.pid}")
        return 0 if has_ended else process.rss_bytes
    return process.rss_bytes


def become_subreaper() -> bool:
    """What leaves its parent becomes a child of this process (Linux only)."""
    pr_set_child_subreaper = 36  # linux/prctl.h
    try:
        return int(ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)) == 0
    except (OSError, AttributeError):
        return False
