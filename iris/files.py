"""Files and folders for their owner's eyes only; files appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

DRAFT = ".new-"  # what a crash may leave starts with it


def write_private(path: Path, content: bytes) -> None:
    """Put a file there in one step, mode 0600."""
    handle, draft = tempfile.mkstemp(prefix=DRAFT, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def make_private(folder: Path) -> None:
    """A folder that only its owner enters, and the folders above that are missing."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
