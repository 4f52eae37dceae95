"""The port for nudges: an empty datagram means 'heartbeat now'."""

from __future__ import annotations

import socket
import threading
import time

QUIET = 0.02  # seconds between two nudges that are obeyed


class NudgePort:
    """Counts nudges and sets an event, at once but at most every 20 ms."""

    def __init__(self, address: str, wake: threading.Event) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self._wake = wake
        self.count = 0
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, name="nudges", daemon=True).start()

    def _listen(self) -> None:
        obeyed_at = 0.0
        while True:
            self._socket.settimeout(None)
            self._socket.recvfrom(16)
            self.count += 1
            self._swallow(obeyed_at + QUIET)
            obeyed_at = time.monotonic()
            self._wake.set()

    def _swallow(self, until: float) -> None:
        """Take what else arrives before the next one may be obeyed."""
        while (left := until - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                self._socket.recvfrom(16)
            except TimeoutError:
                return
            self.count += 1
