"""A person inside of an attempt: what is typed goes there, Ctrl-C too."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from invoke.exceptions import Exit

from iris.commands._edge import tell
from iris.domain.entering import (
    STILL_HERE_EVERY,
    Enter,
    Interrupted,
    Resized,
    Said,
    StillHere,
    Typed,
    spoken,
)
from iris.errors import UsageError
from iris.operations import entering as operation
from iris.operations.entering import Entrance, Line
from iris.session import Session

PIECE = 1 << 16  # bytes


def require_sense(words: tuple[str, ...], *, on_terminal: bool) -> bool:
    """Is a terminal wanted? Raises UsageError where there is none."""
    if words and not on_terminal:
        return False
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "a shell, or -it, needs a terminal on both sides of this command",
            hint="A command needs none: `inv job.exec JOB -- nvidia-smi`.",
        )
    return True


def enter(
    session: Session, entrance: Entrance, words: tuple[str, ...], *, on_terminal: bool
) -> None:
    """Run it there to its end; its exit status is ours."""
    with operation.open_line(session, entrance, _out, _err) as line:
        talk = _Talk(line)
        talk.say(_greeting(words, on_terminal=on_terminal))
        with _raw(talk) if on_terminal else _plain():
            talk.begin()
            status = _wait(line, talk)
    if status:
        raise Exit(code=status)


class _Talk:
    """Everything that is said, in order, from whatever thread."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lock = threading.Lock()

    def say(self, message: Said) -> None:
        with self._lock:
            self._line.send(spoken(message))

    def begin(self) -> None:
        for work in (self._type, self._stay):
            threading.Thread(target=work, daemon=True).start()

    def _type(self) -> None:
        while True:
            try:
                piece = os.read(0, PIECE)
            except OSError:  # closed
                piece = b""
            self.say(Typed(piece))
            if not piece:
                return

    def _stay(self) -> None:
        while not threading.Event().wait(STILL_HERE_EVERY):
            self.say(StillHere())


def _greeting(words: tuple[str, ...], *, on_terminal: bool) -> Enter:
    typed = tuple(os.fsencode(word) for word in words)
    if not on_terminal:
        return Enter(typed)
    size = shutil.get_terminal_size()
    return Enter(typed, os.environ.get("TERM", "xterm"), size.lines, size.columns)


def _wait(line: Line, talk: _Talk) -> int:
    """Ctrl-C is the command's to hear; the second one is ours."""
    try:
        return line.wait()
    except KeyboardInterrupt:
        # not from here: a line that is full would hold us up
        threading.Thread(target=talk.say, args=(Interrupted(),), daemon=True).start()
    return line.wait()


@contextmanager
def _plain() -> Iterator[None]:
    yield


@contextmanager
def _raw(talk: _Talk) -> Iterator[None]:
    """Every key goes there, and each new size of the window."""
    import termios
    import tty

    def resized(*_: object) -> None:
        size = os.get_terminal_size()
        message = Resized(size.lines, size.columns)
        threading.Thread(target=talk.say, args=(message,), daemon=True).start()

    before = termios.tcgetattr(0)
    former = signal.signal(signal.SIGWINCH, resized)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, former)


def _out(piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _err(piece: bytes) -> None:
    sys.stderr.buffer.write(piece)
    sys.stderr.buffer.flush()


def announce(entrance: Entrance) -> None:
    """Whose shell this is, before anything of it is seen."""
    tell(f"{entrance.words}; `exit` leaves, the job goes on")
