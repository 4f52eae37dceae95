"""Secrets as they are typed: where a value comes from, never the value itself."""

from __future__ import annotations

import getpass
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from iris.config.job_rules import (
    MOST_ENV_BYTES,
    MOST_SECRET_BYTES,
    OURS,
    OURS_WORDS,
    SECRET_NAME,
)
from iris.errors import UsageError

FLAG = "--secret"
_EXPECTED = "NAME, NAME=env:VARIABLE or NAME=file:PATH"
_OPEN_ENDS = (Path("/dev/fd"), Path("/proc/self/fd"))
_KINDS = {stat.S_IFDIR: "is a folder", stat.S_IFIFO: "is a FIFO"}


def sources_of(words: Sequence[str], typed: str = FLAG) -> dict[str, str]:
    """Where each value comes from; empty for a secret of the cluster's.

    Raises UsageError, which says what was `typed` but nothing behind the name of a
    secret: it may be the value.
    """
    found = {}
    for each in words:
        name, equals, source = each.partition("=")
        is_name = SECRET_NAME.fullmatch(name) is not None
        if name.startswith(OURS) and name.isidentifier():
            raise UsageError(f"{typed}: {OURS_WORDS}, got {name}")
        if not is_name or (equals and not _is_source(source)):
            shown = name if is_name else "something else"
            raise UsageError(
                f"{typed}: expected {_EXPECTED}, got {shown}{'=...' * bool(equals)}",
                hint="A value itself is never typed: others could see it.",
            )
        found[name] = source
    return found


def read_secrets(words: Sequence[str], typed: str = FLAG) -> dict[str, str]:
    """The values that come from this machine. Raises UsageError."""
    sources = sources_of(words, typed)
    values = {
        name: _read(f"{typed} {name}={source}", source)
        for name, source in sources.items()
        if source
    }
    if sum(len(value.encode()) for value in values.values()) > MOST_ENV_BYTES:
        raise UsageError(f"{typed}: expected at most {MOST_ENV_BYTES} bytes in all")
    return values


def read_bounded(source: BinaryIO) -> bytes:
    """As much as a secret may have, with a newline, and a byte that tells of more."""
    return source.read(MOST_SECRET_BYTES + len(b"\r\n") + 1)


def piped_or_asked(what: str) -> bytes:
    """A value that no command line shows, piped in or asked for; may be empty."""
    if sys.stdin.isatty():
        return _typed(what)
    return without_last_newline(read_bounded(sys.stdin.buffer))


def without_last_newline(content: bytes) -> bytes:
    """As `$(...)` in a shell would have it, one newline less."""
    return content.removesuffix(b"\n").removesuffix(b"\r")


def _typed(what: str) -> bytes:
    try:
        value = getpass.getpass(f"{what} (not shown): ")
        return value.encode(errors="surrogateescape")
    except UnicodeError:
        # not as a cause: it holds the value
        raise UsageError(f"{what}: what was typed is not UTF-8") from None


def value_in(typed: str, content: bytes) -> str:
    """What was read, as a secret's value. Raises UsageError, without it."""
    if not 0 < len(content) <= MOST_SECRET_BYTES:
        more = f"has more than {MOST_SECRET_BYTES} bytes"
        raise UsageError(f"{typed}: what is there {more if content else 'is empty'}")
    if b"\0" in content:
        raise UsageError(f"{typed}: what is there holds a NUL")
    try:
        return content.decode()
    except UnicodeDecodeError:
        # not as a cause: it holds the bytes
        raise UsageError(f"{typed}: what is there is not UTF-8") from None


def seen_from(folder: Path, word: str) -> str:
    """With the path of its file seen from another folder."""
    name, equals, source = word.partition("=")
    if not source.startswith("file:"):
        return word
    path = folder / Path(source.removeprefix("file:")).expanduser()
    return f"{name}{equals}file:{path}"


def require_outside(folder: Path, words: Sequence[str]) -> None:
    """A secret's file must not travel in the bundle. Raises UsageError."""
    files = [s[5:] for s in sources_of(words).values() if s.startswith("file:")]
    if not files:
        return
    from iris.bundles import list_files

    below = {(folder / name).resolve() for name in list_files(folder)}
    for file in files:
        if Path(file).expanduser().resolve() in below:
            raise UsageError(
                f"{file} holds a secret and would travel in the bundle",
                hint="Move it, or have git ignore it, or add --no-bundle.",
            )


def _is_source(source: str) -> bool:
    kind, _, place = source.partition(":")
    return kind in ("env", "file") and bool(place)


def _read(typed: str, source: str) -> str:
    kind, _, place = source.partition(":")
    if kind == "env":
        return value_in(typed, _variable(typed, place))
    return value_in(typed, without_last_newline(_file(typed, place)))


def _variable(typed: str, variable: str) -> bytes:
    if variable not in os.environ:
        raise UsageError(
            f"{typed}: this terminal has no variable {variable}",
            hint=f"`export {variable}=...` sets it for the commands that follow.",
        )
    return os.environb[os.fsencode(variable)]


def _file(typed: str, place: str) -> bytes:
    path = Path(place).expanduser()
    try:
        if not (path.is_file() or _is_of_this_process(path)):
            _refuse_kind(typed, path)
        with path.open("rb") as file:
            return read_bounded(file)
    except OSError as error:
        raise UsageError(f"{typed}: {error.strerror}") from error


def _is_of_this_process(path: Path) -> bool:
    """Is it an open end, such as /dev/stdin or /dev/fd/63 of `<(...)`?"""
    return path.as_posix() == "/dev/stdin" or path.parent in _OPEN_ENDS


def _refuse_kind(typed: str, path: Path) -> None:
    """A device has no end, and a FIFO that nobody writes to never begins."""
    kind = stat.S_IFMT(path.stat().st_mode)
    words = _KINDS.get(kind, "is a device or a socket")
    raise UsageError(
        f"{typed}: {words}, and no file",
        hint="A secret's source is a file; `file:/dev/stdin` takes what is piped in.",
    )
