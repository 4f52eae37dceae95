"""Nudges: one empty datagram to a worker that has something new to do."""

from __future__ import annotations

import contextlib
import socket

from iris.controller.change import Changed
from iris.controller.state import State
from iris.domain.fleet import Worker


class Nudger:
    """Listens to State; never blocks, and a lost datagram does no harm."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self.sent = 0

    def tell(self, changed: Changed) -> None:
        """Nudge the workers that a change concerns."""
        if not changed.workers:
            return
        with self._state.reading() as tables:
            concerned = changed.workers - self._state.answering
            workers = [tables.workers.get(uid) for uid in concerned]
        for worker in workers:
            if worker is not None and worker.nudge_port:
                self._send(worker)

    def _send(self, worker: Worker) -> None:
        # a full buffer, a closed port or a closed socket only delays the worker
        # until its next heartbeat
        with contextlib.suppress(OSError):
            self._socket.sendto(b"", (worker.address, worker.nudge_port))
            self.sent += 1
            self._state.note_nudge(worker.uid)

    def close(self) -> None:
        """Send nothing any more."""
        self._socket.close()
