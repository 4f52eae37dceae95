"""What a person's machine says to the program that lets it into an attempt.

It is said over that program's stdin, which so carries more than what is typed: an
end of it that was not announced means that the line was cut.
"""

from __future__ import annotations

import msgspec

from iris.domain.framing import framed

STILL_HERE_EVERY = 15.0  # seconds
SILENT_AFTER = 60.0  # seconds without a word: a line can be cut without a trace


class Enter(msgspec.Struct, frozen=True, tag=True):
    """The first message: what to run; without words a shell."""

    words: tuple[bytes, ...] = ()
    terminal: str = ""  # what TERM says; empty without a terminal
    rows: int = 0
    columns: int = 0


class Typed(msgspec.Struct, frozen=True, tag=True):
    """More for the command's stdin; without content there will be no more."""

    content: bytes


class Resized(msgspec.Struct, frozen=True, tag=True):
    """The terminal has another size."""

    rows: int
    columns: int


class Interrupted(msgspec.Struct, frozen=True, tag=True):
    """Ctrl-C where there is no terminal that would say so."""


class StillHere(msgspec.Struct, frozen=True, tag=True):
    """Nothing else was said for a while."""


Said = Enter | Typed | Resized | Interrupted | StillHere

_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Said).decode


def spoken(message: Said) -> bytes:
    """A message as it travels."""
    return framed(_encode(message))
