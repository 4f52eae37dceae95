"""A visit to an attempt of this machine, as a person's machine asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

from iris.domain.entering import Enter, Said, Typed, spoken
from tests.support.eventually import eventually

WITHIN = 30.0  # seconds for a visit


class Left(NamedTuple):
    """How a visit ended, and what was heard of it."""

    status: int
    out: bytes
    err: bytes


class Visitor:
    """The program that lets one in; over once the `with` is."""

    def __init__(
        self, uid: str, *words: str, terminal: str = "", flags: Sequence[str] = ()
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "iris.worker.entering", uid, *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._out = b""
        self.say(Enter(tuple(map(os.fsencode, words)), terminal, 40, 100))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        self.left()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()

    def say(self, message: Said) -> None:
        self.process.stdin.write(spoken(message))

    def type(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.say(Typed(piece))

    def heard(self, words: bytes) -> None:
        """Wait until it printed that."""

        def is_heard() -> bool:
            self._out += self.process.stdout.read(1 << 16)
            return words in self._out

        eventually(is_heard, within=WITHIN)

    def cut(self) -> None:
        """The line is no more."""
        self.process.stdin.close()

    def left(self) -> Left:
        """Its end, for which nobody hangs up."""
        self.process.wait(WITHIN)
        self._out += self.process.stdout.read()
        return Left(self.process.returncode, self._out, self.process.stderr.read())
