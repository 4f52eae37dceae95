"""The secrets of an attempt: a file that a shell can read, and so can we."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from iris.worker.folders import write_private


def write_secrets(path: Path, values: Mapping[str, str]) -> None:
    """One `export` for each, 0600."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in values.items()]
    write_private(path, "".join(lines).encode(errors="surrogateescape"))


def read_secrets(path: Path) -> dict[str, str]:
    """What was written. Raises OSError."""
    text = path.read_bytes().decode(errors="surrogateescape")
    words = [word for word in shlex.split(text) if "=" in word]
    return dict(word.split("=", 1) for word in words)
