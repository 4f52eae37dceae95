"""Packs the user's working folder into one file, named by its SHA-256."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from iris.bundles.links import stays_inside
from iris.bundles.listing import list_files
from iris.errors import BadBundle

MOST_BYTES = 100_000_000
_LARGEST_SHOWN = 5
_LEVEL = 1  # packs 100 MB in about a second; a higher one saves a tenth, takes thrice
_WAY_OUT = "Keep it out with .gitignore, or run the job with --no-bundle."


class Bundle(msgspec.Struct, frozen=True):
    """A packed folder in a temporary file, which goes when the `with` block ends."""

    sha256: str
    path: Path
    size: int  # bytes of the packed file
    files: int

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.path.unlink(missing_ok=True)


def pack(folder: Path, max_bytes: int = MOST_BYTES) -> Bundle:
    """What git does not ignore, or all of a folder outside git. Raises BadBundle.

    The same content gives the same SHA-256, whatever the files' times and owners.
    """
    folder = folder.resolve()
    names = list_files(folder)
    _require_small(folder, _sizes(folder, names), max_bytes)
    opened, path = tempfile.mkstemp(prefix="iris-bundle-", suffix=".tar.gz")
    try:
        with os.fdopen(opened, "wb") as packed:
            _write(packed, folder, names)
        return Bundle(sha256_of(path), Path(path), os.path.getsize(path), len(names))
    except BaseException:
        os.unlink(path)
        raise


def _sizes(folder: Path, names: list[str]) -> dict[str, int]:
    try:
        return {name: (folder / name).lstat().st_size for name in names}
    except OSError as error:
        words = f"{error.filename} cannot be packed: {error.strerror}"
        raise BadBundle(words, _WAY_OUT) from error


def _require_small(folder: Path, sizes: dict[str, int], max_bytes: int) -> None:
    total = sum(sizes.values())
    if total <= max_bytes:
        return
    largest = sorted(sizes, key=lambda name: -sizes[name])[:_LARGEST_SHOWN]
    shown = ", ".join(f"{name} ({show_size(sizes[name])})" for name in largest)
    raise BadBundle(
        f"{folder} has {show_size(total)} in {len(sizes)} files, "
        f"a bundle at most {show_size(max_bytes)}; the largest: {shown}",
        hint="Keep them out with .gitignore, or run the job with --no-bundle.",
    )


def show_size(size: int) -> str:
    """For a person: 17 B, 3.2 MB, 50.0 GB."""
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= length:
            return f"{size / length:.1f} {unit}"
    return f"{size} B"


@contextmanager
def opened_tar(packed: IO[bytes], level: int = _LEVEL) -> Iterator[tarfile.TarFile]:
    """What is put in there is packed into the file."""
    # neither time nor name in the header of the compressed stream
    with (
        gzip.GzipFile("", "wb", level, packed, mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        yield tar


def sha256_of(path: str | Path) -> str:
    """Of a file's bytes, in hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(packed: IO[bytes], folder: Path, names: Iterable[str]) -> None:
    with opened_tar(packed) as tar:
        for name in names:
            _pack_one(tar, folder, name)


def _pack_one(tar: tarfile.TarFile, folder: Path, name: str) -> None:
    path = folder / name
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            tar.addfile(_link(folder, name))
        elif stat.S_ISREG(mode):
            _pack_file(tar, path, name)
        else:
            raise BadBundle(f"{name} is neither a file nor a link", _WAY_OUT)
    except OSError as error:
        words = f"{name} cannot be packed: {error.strerror or error}"
        raise BadBundle(words, _WAY_OUT) from error


def _pack_file(tar: tarfile.TarFile, path: Path, name: str) -> None:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        entry = tarfile.TarInfo(name)
        entry.size = found.st_size
        entry.mode = 0o755 if found.st_mode & stat.S_IXUSR else 0o644
        tar.addfile(entry, file)


def _link(folder: Path, name: str) -> tarfile.TarInfo:
    path = folder / name
    target = os.readlink(path)
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    is_inside = Path(os.path.realpath(path)).is_relative_to(folder)
    if not (is_inside and stays_inside(entry)):
        raise BadBundle(f"the link {name} leads out of the folder: {target}", _WAY_OUT)
    if not path.exists():
        raise BadBundle(f"the link {name} leads nowhere: {target}", _WAY_OUT)
    return entry
