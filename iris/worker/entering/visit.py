"""One command in an attempt's folder: what it hears, and that it ends for certain."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import selectors
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterable

from iris.domain.entering import (
    SILENT_AFTER,
    Enter,
    Interrupted,
    Resized,
    Said,
    Typed,
    decode,
)
from iris.domain.framing import Reader
from iris.errors import NotThere
from iris.processes import send, send_group
from iris.worker.descendants import become_subreaper, own_children
from iris.worker.entering.place import Place
from iris.worker.entering.unread import Unread

LOOK_EVERY = 0.5  # seconds between looks at whether attempt and visitor are there
GRACE = 2.0  # seconds between SIGHUP and SIGKILL, once either is gone
# Seconds for it to read some of what was typed, once there is no room for more of that;
# meanwhile nobody hears whether the line is cut.
STALLED_AFTER = 300.0
PIECE = 1 << 16  # bytes
NOT_FOUND, NOT_RUN, KILLED = 127, 126, 137  # as shells have it
GONE = "the attempt has ended"
TOGETHER = 1.0  # seconds in which a VM that goes ends all that runs on it


class Visit:
    """From the command's start to its end; nothing of it is left behind."""

    def __init__(
        self,
        place: Place,
        enter: Enter,
        reader: Reader,
        unread: Unread,
        stalled_after: float,
    ) -> None:
        self._stalled_after = stalled_after
        self._place = place
        self._enter = enter
        self._reader = reader
        self._selector = selectors.DefaultSelector()
        self._ours = -1  # our end of its stdin, or of its terminal
        self._child: subprocess.Popen[bytes] | None = None
        self._unread = unread  # what is typed, and the command has not read
        self._is_typed = False  # nothing more will be typed
        self._hears = True
        self._heard_at = time.monotonic()
        self._kill_at = 0.0

    def run(self, said: Iterable[Said]) -> int:
        """The command's exit status. Raises NotThere where it cannot be run."""
        become_subreaper()
        self._listen_to_children()
        try:
            child = self._child = self._start()
        except OSError as error:
            return self._refused(error)
        self._selector.register(0, selectors.EVENT_READ)
        for message in said:
            self._obey(message)
        while child.poll() is None:
            self._turn()
            self._look()
        self._pass_on_the_rest()
        _end_children()
        code = child.returncode if child.returncode >= 0 else 128 - child.returncode
        if code == KILLED and not self._kill_at and self._place.ends_within(TOGETHER):
            self._tell(GONE)
        return code

    def _listen_to_children(self) -> None:
        woken, wakes = os.pipe()
        for end in (woken, wakes):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._hang_up())
        self._selector.register(woken, selectors.EVENT_READ)
        self._woken = woken

    # -- its start -------------------------------------------------------------------

    def _start(self) -> subprocess.Popen[bytes]:
        environment = self._place.environment()
        if not environment and self._place.is_process:
            raise NotThere("the attempt ended just now")
        words = self._place.command(self._enter.words)
        if self._enter.terminal:
            return self._start_on_terminal(words, environment)
        child = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            cwd=self._place.work,
            env=environment or None,
            start_new_session=True,
        )
        assert child.stdin is not None
        self._ours = os.dup(child.stdin.fileno())
        child.stdin.close()
        os.set_blocking(self._ours, False)
        return child

    def _start_on_terminal(
        self, words: list[bytes], environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        self._ours, theirs = pty.openpty()
        self._resize(self._enter.rows, self._enter.columns)
        try:
            child = subprocess.Popen(
                words,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                cwd=self._place.work,
                env=(environment or os.environ) | {"TERM": self._enter.terminal},
                start_new_session=True,
                # its session's terminal, so that Ctrl-C is a signal
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
        finally:
            os.close(theirs)
        os.set_blocking(self._ours, False)
        self._selector.register(self._ours, selectors.EVENT_READ)
        return child

    def _refused(self, error: OSError) -> int:
        name = os.fsdecode(self._enter.words[0]) if self._enter.words else "a shell"
        sys.stderr.write(f"iris: cannot run {name!r}: {error.strerror}\n")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUN

    # -- what happens ----------------------------------------------------------------

    def _turn(self) -> None:
        for key, mask in self._selector.select(LOOK_EVERY):
            if key.fd == self._woken:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, PIECE)
            elif key.fd == 0:
                self._hear()
            else:
                if mask & selectors.EVENT_READ:
                    self._pass_on()
                if mask & selectors.EVENT_WRITE:
                    self._type_on()

    def _hear(self) -> None:
        arrived = os.read(0, PIECE)
        if not arrived:
            self._hear_no_more()
            self._hang_up()
            return
        self._heard_at = time.monotonic()
        for body in self._reader.feed(arrived):
            self._obey(decode(body))
        if self._unread.is_full:
            self._hear_no_more()

    def _hear_no_more(self) -> None:
        if self._hears:
            self._selector.unregister(0)
        self._hears = False

    def _obey(self, message: Said) -> None:
        match message:
            case Typed(content=content):
                self._unread.add(content)
                self._is_typed = self._is_typed or not content
                self._type_on()
            case Resized(rows=rows, columns=columns):
                self._resize(rows, columns)
            case Interrupted():
                self._signal(signal.SIGINT)

    def _type_on(self) -> None:
        if self._ours < 0:
            self._unread.clear()
            return
        try:
            with contextlib.suppress(BlockingIOError):
                while piece := self._unread.first(PIECE):
                    self._unread.drop(os.write(self._ours, piece))
                    self._heard_at = time.monotonic()  # it goes on
        except OSError:  # it reads no more
            self._unread.clear()
            self._is_typed = True
        is_over = self._is_typed and not self._unread
        if is_over and not self._enter.terminal:
            self._watch(0)
            os.close(self._ours)
            self._ours = -1
        else:
            reading = selectors.EVENT_READ if self._enter.terminal else 0
            self._watch(reading | (selectors.EVENT_WRITE if self._unread else 0))
        if not self._hears and not self._kill_at and not self._unread.is_full:
            self._hears = True
            self._heard_at = time.monotonic()
            self._selector.register(0, selectors.EVENT_READ)

    def _watch(self, events: int) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(self._ours)
        if events:
            self._selector.register(self._ours, events)

    def _resize(self, rows: int, columns: int) -> None:
        if self._ours >= 0 and self._enter.terminal and rows > 0 and columns > 0:
            size = struct.pack("HHHH", min(rows, 9999), min(columns, 9999), 0, 0)
            fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    def _pass_on(self) -> bool:
        """What it printed on its terminal; False where there is no more."""
        try:
            piece = os.read(self._ours, PIECE)
        except BlockingIOError:
            return False
        except OSError:  # whoever held the terminal has closed it
            piece = b""
        if not piece:
            self._watch(0)
            return False
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        return True

    def _pass_on_the_rest(self) -> None:
        while self._enter.terminal and self._pass_on():
            pass

    # -- its end ---------------------------------------------------------------------

    def _look(self) -> None:
        """Is there still somebody, and the attempt?"""
        now = time.monotonic()
        if self._kill_at:
            for pid in own_children() if now >= self._kill_at else ():
                send(pid)
        elif not self._place.is_live:
            self._tell(GONE)
            self._hang_up()
        elif not self._hears and now > self._heard_at + self._stalled_after:
            self._tell("what is typed is not read: nobody can be heard any more")
            self._hang_up()
        elif self._is_cut() or (self._hears and now > self._heard_at + SILENT_AFTER):
            self._hang_up()

    def _tell(self, words: str) -> None:
        line_end = "\r\n" if self._enter.terminal else "\n"
        with contextlib.suppress(OSError):  # whoever would read it has gone
            sys.stderr.write(f"iris: {words}{line_end}")
            sys.stderr.flush()

    def _is_cut(self) -> bool:
        """Has whoever listens to us gone, or whoever spoke while we did not hear?"""
        poll = select.poll()
        for handle in (0, 1):
            poll.register(handle, 0)  # errors and hang-ups alone
        return any(handle == 1 or not self._hears for handle, _ in poll.poll(0))

    def _hang_up(self) -> None:
        if not self._kill_at:
            self._kill_at = time.monotonic() + GRACE
            self._signal(signal.SIGHUP)
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.returncode is None:
            send_group(self._child.pid, number)


def _end_children() -> None:
    """All that was started here; what leaves its parents becomes a child of ours."""
    while pids := own_children():
        for pid in pids:
            send(pid)
        for pid in pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
