"""Folders that appear whole or not at all, and go whatever is in them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from iris.files import DRAFT, make_private

TRASH = ".gone-"  # what a crash may leave half way out; nothing runs in it


def make_folder(path: Path, files: Mapping[str, bytes]) -> bool:
    """Put a folder with its files there in one step; False if one is there."""
    make_private(path.parent)
    draft = path.with_name(f"{DRAFT}{path.name}")
    remove_tree(draft)
    draft.mkdir(mode=0o700)
    for name, content in files.items():
        file = draft / name
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(content)
    try:
        draft.rename(path)  # fails on a folder that has anything in it
        return True
    except OSError:
        if not path.is_dir():
            raise
        remove_tree(draft)
        return False


def remove_folder(path: Path) -> None:
    """Take a folder away in one step, then delete what it held; absence is success."""
    trash = path.with_name(f"{TRASH}{path.name}")
    for left in (trash, path.with_name(f"{DRAFT}{path.name}")):
        remove_tree(left)
    with suppress(FileNotFoundError):
        path.rename(trash)
        remove_tree(trash)


def subfolders(folder: Path) -> Iterator[Path]:
    """The folders in a folder, by name; drafts and trash are none of them."""
    with suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.name.startswith("."):
                yield path


def remove_tree(path: Path) -> None:
    """Delete a folder, folders that a task locked too; absence is success."""
    if not path.is_dir():
        return
    _unlock(path)
    for folder, names, _ in os.walk(path):
        for name in names:
            _unlock(Path(folder) / name)
    with suppress(FileNotFoundError):
        shutil.rmtree(path)


def _unlock(folder: Path) -> None:
    with suppress(OSError):
        if not folder.is_symlink():
            folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
