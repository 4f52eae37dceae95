"""Secrets as they are typed: where a value comes from, never the value itself."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from iris.errors import UsageError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_EXPECTED = "NAME, NAME=env:VARIABLE or NAME=file:PATH"


def sources_of(words: Sequence[str]) -> dict[str, str]:
    """Where each value comes from; empty for a secret of the cluster's.

    Raises UsageError, which shows nothing behind the name: it may be the value.
    """
    found = {}
    for each in words:
        name, equals, source = each.partition("=")
        if not _NAME.fullmatch(name) or (equals and not _is_source(source)):
            shown = name if _NAME.fullmatch(name) else "something else"
            raise UsageError(
                f"--secret: expected {_EXPECTED}, got {shown}{'=...' * bool(equals)}",
                hint="A value itself is never typed: others could see it.",
            )
        if name.startswith("IRIS_"):
            raise UsageError(f"--secret: {name} is a variable that Iris sets")
        found[name] = source
    return found


def read_secrets(words: Sequence[str]) -> dict[str, str]:
    """The values that come from this machine. Raises UsageError."""
    sources = sources_of(words)
    return {name: _read(name, source) for name, source in sources.items() if source}


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


def _read(name: str, source: str) -> str:
    kind, _, place = source.partition(":")
    value = _variable(name, place) if kind == "env" else _file(name, place)
    if not value or "\0" in value:
        fault = "holds a NUL" if value else "is empty"
        raise UsageError(f"--secret {name}: {source} {fault}")
    return value


def _variable(name: str, variable: str) -> str:
    if variable not in os.environ:
        raise UsageError(f"--secret {name}: this terminal has no variable {variable}")
    value = os.environb[variable.encode()]
    return _text(name, f"variable {variable}", value)


def _file(name: str, place: str) -> str:
    try:
        content = Path(place).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"--secret {name}: {place}: {error.strerror}") from error
    return without_last_newline(_text(name, place, content))


def _text(name: str, where: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        # not as a cause: it holds the bytes
        raise UsageError(f"--secret {name}: {where} is not UTF-8") from None
