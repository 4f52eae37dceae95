"""Packs what an attempt left: its files, and links that stay among them.

Nothing is followed out of the folder, whoever changes it meanwhile; what cannot
travel is named, and the rest is packed.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec
from msgspec.structs import replace

from iris.bundles.links import stays_inside
from iris.bundles.packing import opened_tar, sha256_of, show_size
from iris.errors import FellShort

MOST_FILES = 100_000
MOST_DEEP = 100  # folders within each other
# Bytes that are compressed: weights hardly shrink, at 20 to 50 MB/s, while a slice
# waits. What is larger goes as it is, at 500 MB/s.
MOST_SQUEEZED = 64 << 20
MOST_NAMED = 20  # of what was left out
# What opening the folder meets where the user put something else in its place.
_OF_THE_USER = {errno.EACCES, errno.ELOOP, errno.ENOTDIR}
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}


class PackedOutputs(msgspec.Struct, frozen=True):
    """A packed file, and what of the folder is in it."""

    size_bytes: int
    sha256: str
    files: int
    content_bytes: int  # of the files themselves
    left_out: tuple[str, ...]  # each with its reason


class _Found(msgspec.Struct, frozen=True):
    """An entry of the folder: `name` below its top, `handle` its own folder's."""

    name: str
    handle: int
    mode: int = 0
    size: int = 0
    fault: str = ""  # why it cannot be looked at

    @property
    def base(self) -> str:
        return os.path.basename(self.name)


def pack_outputs(
    folder: Path, into: Path, most_bytes: int, check: Callable[[], None]
) -> PackedOutputs | None:
    """Pack a folder into a new file; None where there is nothing in it.

    Raises FellShort where it has more than `most_bytes` or is no folder, OSError, and
    what `check` raises, which is called again and again; then there is no file.
    """
    count, size = _measure(folder, most_bytes, check)
    if count == 0:
        return None
    try:
        files, left_out = _pack(folder, into, size, check)
    except BaseException:
        into.unlink(missing_ok=True)  # it may have taken the last room on the disk
        raise
    packed_bytes = into.stat().st_size
    return PackedOutputs(packed_bytes, sha256_of(into), files, size, left_out)


def _pack(
    folder: Path, into: Path, size: int, check: Callable[[], None]
) -> tuple[int, tuple[str, ...]]:
    """How many files are packed, and what is left out."""
    left_out: list[str] = []
    files = 0
    handle = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _READ, 0o600)
    level = 1 if size <= MOST_SQUEEZED else 0
    with os.fdopen(handle, "wb") as packed, opened_tar(packed, level) as tar:
        for found in _entries(folder):
            check()
            fault = found.fault or _pack_one(tar, folder, found, check)
            if fault:
                left_out.append(f"{_printable(found.name)}: {fault}")
            else:
                files += 1
    if more := left_out[MOST_NAMED:]:
        left_out[MOST_NAMED:] = [f"and {len(more)} more"]
    return files, tuple(left_out)


def _measure(
    folder: Path, most_bytes: int, check: Callable[[], None]
) -> tuple[int, int]:
    """How many entries and bytes there are. Raises FellShort where that is too much."""
    count = size = 0
    for found in _entries(folder):
        check()
        count += 1
        size += found.size
        _require_few(count)
    if size > most_bytes:
        raise FellShort(
            f"left {show_size(size)} in IRIS_OUTPUT_DIR; "
            f"more than {show_size(most_bytes)} is not kept"
        )
    return count, size


def _entries(folder: Path) -> Iterator[_Found]:
    """All but folders, by handles, so that no folder turns into a link on the way."""
    try:
        top = os.open(folder, _READ | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in _OF_THE_USER:
            raise
        words = f"IRIS_OUTPUT_DIR is no folder that can be read: {error.strerror}"
        raise FellShort(words) from error
    yield from _below("", top)


def _below(here: str, handle: int, depth: int = 0) -> Iterator[_Found]:
    try:
        for base in _names(handle):
            found = _look(os.path.join(here, base), handle)
            if not stat.S_ISDIR(found.mode):
                yield found
            elif depth >= MOST_DEEP:
                yield replace(found, fault="too deep")
            else:
                yield from _inside(found, depth)
    finally:
        os.close(handle)


def _inside(found: _Found, depth: int) -> Iterator[_Found]:
    try:
        handle = os.open(found.base, _READ | os.O_DIRECTORY, dir_fd=found.handle)
    except OSError as error:
        yield replace(found, fault=_words_of(error))
    else:
        yield from _below(found.name, handle, depth + 1)


def _names(handle: int) -> list[str]:
    names = []
    with os.scandir(handle) as entries:
        for entry in entries:
            names.append(entry.name)
            _require_few(len(names))
    return sorted(names)


def _require_few(count: int) -> None:
    if count > MOST_FILES:
        raise FellShort(f"left more than {MOST_FILES} files in IRIS_OUTPUT_DIR")


def _look(name: str, handle: int) -> _Found:
    try:
        seen = os.lstat(os.path.basename(name), dir_fd=handle)
    except OSError as error:
        return _Found(name, handle, fault=_words_of(error))
    size = seen.st_size if stat.S_ISREG(seen.st_mode) else 0
    return _Found(name, handle, seen.st_mode, size)


def _pack_one(
    tar: tarfile.TarFile, folder: Path, found: _Found, check: Callable[[], None]
) -> str:
    """Put it in, or say why not."""
    if stat.S_ISLNK(found.mode):
        return _pack_link(tar, folder, found)
    if not stat.S_ISREG(found.mode):
        return _KINDS.get(stat.S_IFMT(found.mode), "neither a file nor a link")
    try:
        handle = os.open(found.base, _READ | os.O_NONBLOCK, dir_fd=found.handle)
    except OSError as error:
        return _words_of(error)
    with os.fdopen(handle, "rb") as file:
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode) or seen.st_size != found.size:
            return "it changed meanwhile"
        entry = tarfile.TarInfo(found.name)
        entry.size = found.size
        entry.mode = 0o755 if seen.st_mode & stat.S_IXUSR else 0o644
        tar.addfile(entry, _Checked(file, check))  # type: ignore[arg-type]  # it is read, and that is all
    return ""


class _Checked:
    """A file that asks before each read whether it is worth while."""

    def __init__(self, file: IO[bytes], check: Callable[[], None]) -> None:
        self._file = file
        self._check = check

    def read(self, size: int) -> bytes:
        """The next bytes."""
        self._check()
        return self._file.read(size)


def _pack_link(tar: tarfile.TarFile, folder: Path, found: _Found) -> str:
    entry = tarfile.TarInfo(found.name)
    entry.type = tarfile.SYMTYPE
    try:
        entry.linkname = os.readlink(found.base, dir_fd=found.handle)
    except OSError as error:
        return _words_of(error)
    to = f"to {_printable(entry.linkname)}"
    end = Path(os.path.realpath(folder / found.name))
    if not stays_inside(entry) or not end.is_relative_to(folder.resolve()):
        return f"a link out of the folder, {to}"
    if not os.path.lexists(end):
        return f"a link that leads nowhere, {to}"
    tar.addfile(entry)
    return ""


def _words_of(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _printable(name: str) -> str:
    """A name as one line, whatever bytes it is made of."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
