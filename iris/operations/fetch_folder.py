"""The folder that fetched files go to: prepared beside their place, then moved there.

Nothing is in place before everything is there and nothing stands in its way; each
file appears whole.
"""

from __future__ import annotations

import fcntl
import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

from iris.errors import Conflict, FellShort, UsageError

STAGE = ".iris-fetch-"  # folders that begin so are ours
MOST_NAMED = 5


class _Place(Enum):
    """What is where a file is to go."""

    FREE = "nothing"
    SAME = "the same"
    OTHER = "another file or link"
    FOLDER = "a folder"


@contextmanager
def opened(folder: Path) -> Iterator[Path]:
    """A stage within the folder, which goes at the end; a folder made in vain too.

    Raises UsageError where that is no place to write to, FellShort where writing fails.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stage, lock = _make_stage(folder)
    except OSError as error:
        raise UsageError(f"-o {folder}: {(error.strerror or '').lower()}") from error
    try:
        yield stage
    except OSError as error:
        where = error.filename or folder
        raise FellShort(f"cannot write {where}: {error.strerror}") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        os.close(lock)
        for made in missing:
            with suppress(OSError):  # something is in it
                made.rmdir()


def move_all(tree: Path, folder: Path, *, force: bool) -> None:
    """Every file to its place, or none. Raises Conflict where others are there.

    With `force` files are replaced; folders never are.
    """
    place_by_name = {name: _look(tree / name, folder, name) for name in _names(tree)}
    movable = (_Place.FREE, _Place.SAME, *([_Place.OTHER] if force else []))
    blocked = [n for n, place in place_by_name.items() if place not in movable]
    if blocked:
        more = f" and {len(blocked) - MOST_NAMED} more" * (len(blocked) > MOST_NAMED)
        raise Conflict(
            f"{folder} has something else in the place of "
            f"{', '.join(map(ascii, blocked[:MOST_NAMED]))}{more}: nothing was written",
            hint="`--force` replaces files, or name another folder with `-o`.",
        )
    for name, place in place_by_name.items():
        if place is not _Place.SAME:
            _make_way(folder, name)
            (tree / name).replace(folder / name)


def _make_stage(folder: Path) -> tuple[Path, int]:
    """A fresh one and the lock on it; what killed ones left behind goes."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # nobody sweeps one that is not locked yet
        for former in folder.glob(f"{STAGE}*"):
            _sweep(former)
        stage = Path(tempfile.mkdtemp(prefix=STAGE, dir=folder))
        lock = os.open(stage, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return stage, lock
    finally:
        os.close(handle)


def _sweep(former: Path) -> None:
    with suppress(OSError):
        handle = os.open(former, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(former)
        finally:
            os.close(handle)


def _names(tree: Path) -> list[str]:
    """Every file and link, below the tree's top."""
    found = []
    for here, folders, files in os.walk(tree):
        links = [each for each in folders if os.path.islink(os.path.join(here, each))]
        inside = [os.path.join(here, name) for name in files + links]
        found += [os.path.relpath(path, tree) for path in inside]
    return sorted(found)


def _look(ours: Path, folder: Path, name: str) -> _Place:
    theirs = folder / name
    if any(map(_is_no_folder, _above(folder, name))):
        return _Place.OTHER
    if not os.path.lexists(theirs):
        return _Place.FREE
    if theirs.is_dir() and not theirs.is_symlink():
        return _Place.FOLDER
    return _Place.SAME if _is_same(ours, theirs) else _Place.OTHER


def _is_same(ours: Path, theirs: Path) -> bool:
    if ours.is_symlink() or theirs.is_symlink():
        are_links = ours.is_symlink() and theirs.is_symlink()
        return are_links and os.readlink(ours) == os.readlink(theirs)
    return theirs.is_file() and filecmp.cmp(ours, theirs, shallow=False)


def _make_way(folder: Path, name: str) -> None:
    for above in _above(folder, name):
        if _is_no_folder(above):
            above.unlink()
        above.mkdir(exist_ok=True)


def _above(folder: Path, name: str) -> list[Path]:
    """The folders between, the outermost first."""
    return [folder / each for each in reversed(Path(name).parents[:-1])]


def _is_no_folder(path: Path) -> bool:
    return path.is_symlink() or (path.exists() and not path.is_dir())
