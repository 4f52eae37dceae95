"""The agent as its keeper sees it: started, spoken to, started anew."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from iris.clock import Clock
from iris.domain.framing import Reader
from iris.processes import send
from iris.worker.messages import ToAgent, ToKeeper, decode_to_keeper, framed

log = logging.getLogger(__name__)

RESTART_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)  # seconds before the agent starts anew
STEADY_AFTER = 30.0  # seconds after which a restart counts as the first again
MOST_UNREAD = 16 << 20  # bytes; an agent that leaves more unread is ended


class Supervision:
    """One agent at a time, and the socket pair that it shares with us.

    Nothing here waits for the agent: a frozen one must not stop its keeper.
    """

    def __init__(
        self, root: Path, clock: Clock, selector: selectors.BaseSelector
    ) -> None:
        self.epoch = 0  # of the newest agent; a later one has a higher number
        self._root = root
        self._clock = clock
        self._selector = selector
        self._process: subprocess.Popen[bytes] | None = None
        self._due_at = 0.0
        self._started_at = 0.0
        self._restarts = 0
        self._line: socket.socket | None = None
        self._reader = Reader()
        self._unsent = bytearray()

    @property
    def pid(self) -> int:
        """Of the agent that runs, 0 while there is none."""
        return self._process.pid if self._process else 0

    def due_at(self) -> float:
        """When an agent is to be started, 0 while there is one."""
        return 0.0 if self._process else self._due_at

    def start(self) -> None:
        """Start an agent, or try again later; it waits for our first words."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "iris.worker.agent", "--vm", str(self._root)],
                stdin=theirs.fileno(),
                env=os.environ | {"IRIS_VM": str(self._root)},
                start_new_session=True,
            )
        except OSError as error:  # no memory or no process to be had just now
            ours.close()
            self._pause(f"cannot start: {error}")
            return
        finally:
            theirs.close()
        # the time, so that it grows over a reboot too, of which nothing is remembered
        self.epoch = max(self.epoch + 1, int(self._clock.now() * 1000))
        self._started_at = self._clock.now()
        self._line, self._reader, self._unsent = ours, Reader(), bytearray()
        self._selector.register(ours, selectors.EVENT_READ)

    def tell(self, message: ToAgent) -> None:
        """Say one thing, as soon as the agent takes it."""
        if self._line is not None:
            self._unsent += framed(message)
            self.send_on()

    def send_on(self) -> None:
        """Send what the agent takes now; an agent that takes nothing is ended."""
        if self._line is None:
            return
        try:
            with contextlib.suppress(BlockingIOError):
                while self._unsent:
                    del self._unsent[: self._line.send(self._unsent)]
        except OSError:
            self._hang_up()
            return
        if len(self._unsent) > MOST_UNREAD:
            self._hang_up()
            return
        wanted = selectors.EVENT_WRITE if self._unsent else 0
        self._selector.modify(self._line, selectors.EVENT_READ | wanted)

    def hear(self) -> Iterator[ToKeeper]:
        """What the agent says, once its socket is readable."""
        if self._line is None:
            return
        try:
            arrived = self._line.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            arrived = b""
        if not arrived:
            self._hang_up()
            return
        try:
            for body in self._reader.feed(arrived):
                yield decode_to_keeper(body)
        except msgspec.MsgspecError as error:
            log.warning('agent not understood because="%s"', error)
            self._hang_up()

    def ended(self) -> list[ToKeeper]:
        """The agent was reaped: another follows. Returns what it said at the last."""
        if self._process is not None:
            self._process.returncode = 0  # reaped by the keeper, not by Popen
        self._process = None
        said: list[ToKeeper] = []
        while self._line is not None:
            more = list(self.hear())
            said += more
            if not more:
                self._hang_up()
        if self._clock.now() - self._started_at > STEADY_AFTER:
            self._restarts = 0
        self._pause("ended")
        return said

    def kill(self) -> None:
        """End the agent."""
        if self._process is not None:
            send(self._process.pid)

    def _pause(self, because: str) -> None:
        pause = RESTART_PAUSES[min(self._restarts, len(RESTART_PAUSES) - 1)]
        self._restarts += 1
        self._due_at = self._clock.now() + pause
        log.warning("agent %s again_in=%s", because, pause)

    def _hang_up(self) -> None:
        if self._line is not None:
            self._selector.unregister(self._line)
            self._line.close()
            self._line = None
            self.kill()
