"""What runs on this machine on behalf of a folder; nothing may be left of a test."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.support.eventually import eventually


def processes_in(folder: Path) -> list[psutil.Process]:
    """Every living process that was started with a path below the folder."""
    return [each for each in psutil.process_iter() if _mentions(each, str(folder))]


def words_of(process: psutil.Process) -> list[str]:
    """Its command, word by word; none if it ended meanwhile."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _mentions(process: psutil.Process, folder: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        words = [*process.cmdline(), *process.environ().values()]
    except psutil.Error:
        return False
    below = any(word == folder or word.startswith(f"{folder}/") for word in words)
    return below and process.pid != psutil.Process().pid


def kill(process: psutil.Process) -> None:
    """Kill a process, and return once it does nothing any more."""
    process.kill()
    eventually(lambda: _has_ended(process))


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
