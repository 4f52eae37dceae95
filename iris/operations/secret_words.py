"""Secrets as they are typed: where a value comes from, never the value itself."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from iris.config.job_rules import OURS, OURS_WORDS, SECRET_NAME
from iris.errors import UsageError

FLAG = "--secret"
LONGEST = 1 << 20  # letters that are read of what is piped in
_EXPECTED = "NAME, NAME=env:VARIABLE or NAME=file:PATH"


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
    return {
        name: _read(f"{typed} {name}={source}", source)
        for name, source in sources.items()
        if source
    }


def piped_or_asked(what: str) -> str:
    """A value that no command line shows, piped in or asked for; may be empty."""
    if sys.stdin.isatty():
        return getpass.getpass(f"{what} (not shown): ")
    return without_last_newline(sys.stdin.read(LONGEST))


def without_last_newline(value: str) -> str:
    """As `$(...)` in a shell would have it, one newline less."""
    return value.removesuffix("\n").removesuffix("\r")


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
    content = _variable(typed, place) if kind == "env" else _file(typed, place)
    try:
        value = content.decode()
    except UnicodeDecodeError:
        # not as a cause: it holds the bytes
        raise UsageError(f"{typed}: what is there is not UTF-8") from None
    value = without_last_newline(value) if kind == "file" else value
    if not value or "\0" in value:
        fault = "holds a NUL" if value else "is empty"
        raise UsageError(f"{typed}: what is there {fault}")
    return value


def _variable(typed: str, variable: str) -> bytes:
    if variable not in os.environ:
        raise UsageError(
            f"{typed}: this terminal has no variable {variable}",
            hint=f"`export {variable}=...` sets it for the commands that follow.",
        )
    return os.environb[variable.encode()]


def _file(typed: str, place: str) -> bytes:
    try:
        return Path(place).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"{typed}: {error.strerror}") from error
