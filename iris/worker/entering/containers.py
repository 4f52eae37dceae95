"""`docker exec`, by the engine's API: a visit's command in an attempt's container.

    python -m iris.worker.entering.containers VM UID [WORD ...]

Its streams are the command's; signals that it hears are the command's too.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import termios
import threading
import tty
from pathlib import Path
from typing import Any

from iris.errors import IrisError
from iris.worker.folders import VmFolder
from iris.worker.runtimes.engine import Engine
from iris.worker.runtimes.inside import in_visit

PIECE = 1 << 16  # bytes
HEADER = 8  # bytes before each piece of what a command without a terminal prints
KILLED_AFTER = 1.0  # seconds after SIGHUP; who sent that waits a little longer
GONE = 137  # the status of what ended with its container


class Visited:
    """A command inside of a container."""

    def __init__(self, vm: VmFolder, uid: str, words: list[str]) -> None:
        self._engine = Engine(str(vm.root))
        self._uid = uid
        self._pid_file = vm.attempt(uid) / f"visit-{secrets.token_hex(4)}"
        self._is_on_terminal = os.isatty(0)
        self._id, self._plug = self._engine.enter(
            uid,
            in_visit(str(self._pid_file), words),
            str(vm.work(uid)),
            os.environ.get("TERM", "xterm") if self._is_on_terminal else "",
        )

    def run(self) -> int:
        """To its end."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda got, _: self._in_background(self._pass, got))
        if self._is_on_terminal:
            tty.setraw(0, termios.TCSANOW)  # what is typed already stays
            self._resize()
            signal.signal(signal.SIGWINCH, lambda *_: self._in_background(self._resize))
        self._in_background(self._type)
        try:
            self._pass_on()
            return self._engine.status_of_visit(self._id)
        except IrisError:
            return GONE
        finally:
            self._pid_file.unlink(missing_ok=True)

    def _type(self) -> None:
        while piece := os.read(0, PIECE):
            self._plug.sendall(piece)
        self._plug.shutdown(1)  # SHUT_WR

    def _pass_on(self) -> None:
        if self._is_on_terminal:
            while piece := self._plug.recv(PIECE):
                _write(1, piece)
            return
        while header := self._read(HEADER):
            length = int.from_bytes(header[4:], "big")
            _write(2 if header[0] == 2 else 1, self._read(length))

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count and (more := self._plug.recv(count - len(found))):
            found += more
        return found

    def _resize(self) -> None:
        size = os.get_terminal_size(0)
        self._engine.resize_visit(self._id, size.lines, size.columns)

    def _pass(self, number: int) -> None:
        self._kill(signal.Signals(number).name)
        if number == signal.SIGHUP:
            threading.Event().wait(KILLED_AFTER)
            self._kill("SIGKILL")

    def _kill(self, name: str) -> None:
        line = f'kill -s {name.removeprefix("SIG")} -- "-$(cat "$0")"'
        words = ("/bin/sh", "-c", line, str(self._pid_file))
        self._engine.enter(self._uid, words, "/", "")

    def _in_background(self, work: Any, *words: Any) -> None:
        threading.Thread(target=work, args=words, daemon=True).start()


def _write(handle: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(handle, left) :]


def main() -> int:
    """As a program."""
    vm, uid, *words = sys.argv[1:]
    try:
        return Visited(VmFolder(Path(vm)), uid, words).run()
    except IrisError as error:
        sys.stderr.write(f"iris: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
