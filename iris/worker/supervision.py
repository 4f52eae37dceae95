"""The agent as its keeper sees it: started, spoken to, started anew."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from iris.clock import Clock
from iris.processes import send
from iris.worker.messages import Hello, Reader, ToAgent, ToKeeper, decode_to_keeper
from iris.worker.messages import send as send_message

log = logging.getLogger(__name__)

RESTART_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)  # seconds before the agent starts anew
STEADY_AFTER = 30.0  # seconds after which a restart counts as the first again
SEND_TIMEOUT = 10.0  # seconds; an agent that takes nothing for so long is ended


class Supervision:
    """One agent at a time, and the socket pair that it shares with us."""

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

    @property
    def pid(self) -> int:
        """Of the agent that runs, 0 while there is none."""
        return self._process.pid if self._process else 0

    def due_at(self) -> float:
        """When an agent is to be started, 0 while there is one."""
        return 0.0 if self._process else self._due_at

    def start(self) -> None:
        """Start an agent; it waits for `greet`."""
        ours, theirs = socket.socketpair()
        ours.settimeout(SEND_TIMEOUT)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "iris.worker.agent", str(self._root)],
            stdin=theirs.fileno(),
            start_new_session=True,
        )
        theirs.close()
        # seconds, so that it grows over a reboot too, of which nothing is remembered
        self.epoch = max(self.epoch + 1, int(self._clock.now()))
        self._started_at = self._clock.now()
        self._line, self._reader = ours, Reader()
        self._selector.register(ours, selectors.EVENT_READ)

    def tell(self, message: Hello | ToAgent) -> None:
        """Say one thing; an agent that does not listen is ended."""
        if self._line is None:
            return
        try:
            send_message(self._line, message)
        except OSError:
            self._hang_up()

    def hear(self) -> Iterator[ToKeeper]:
        """What the agent says, once its socket is readable."""
        arrived = b""
        if self._line is not None:
            with contextlib.suppress(OSError):
                arrived = self._line.recv(1 << 20)
        if not arrived:
            self._hang_up()
            return
        for body in self._reader.feed(arrived):
            yield decode_to_keeper(body)

    def ended(self) -> None:
        """The agent was reaped: another one follows after a pause."""
        self._hang_up()
        if self._process is not None:
            self._process.returncode = 0  # reaped by the keeper, not by Popen
        self._process = None
        now = self._clock.now()
        if now - self._started_at > STEADY_AFTER:
            self._restarts = 0
        pause = RESTART_PAUSES[min(self._restarts, len(RESTART_PAUSES) - 1)]
        self._restarts += 1
        self._due_at = now + pause
        log.warning("agent ended again_in=%s", pause)

    def kill(self) -> None:
        if self._process is not None:
            send(self._process.pid)

    def _hang_up(self) -> None:
        if self._line is not None:
            self._selector.unregister(self._line)
            self._line.close()
            self._line = None
            self.kill()
