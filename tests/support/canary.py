"""A secret that sings: everywhere that its value could have been left."""

from __future__ import annotations

from pathlib import Path

import psutil

# put together here: this file travels in bundles
CANARY = "-".join(("canary", "4d2c6b"))


def files_with_it(folder: Path, more: str = "") -> list[Path]:
    """All files below a folder that have the value, or one that begins with it."""
    found = [p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()]
    return [p for p in found if f"{CANARY}{more}".encode() in p.read_bytes()]


def processes_with_it() -> list[str]:
    """The command lines of this machine that show it."""
    lines = [_words_of(process) for process in psutil.process_iter()]
    return [line for line in lines if CANARY in line]


def places_of(holders: list[Path]) -> set[str]:
    """The folders that hold it: an attempt's is called just that."""
    return {
        "an attempt"
        if p.name == "secrets"
        else f"{p.parent.parent.name}/{p.parent.name}"
        for p in holders
    }


def _words_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
