"""Working folders and checkouts that a test fills."""

from __future__ import annotations

import subprocess
from pathlib import Path


def write(folder: Path, *names: str, content: str = "x") -> None:
    """Files of the same content, with their folders."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def git(folder: Path, *words: str) -> None:
    """What git is told in a folder, by somebody it knows."""
    who = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "init.defaultBranch=m")
    subprocess.run(("git", *who, *words), cwd=folder, check=True, capture_output=True)
