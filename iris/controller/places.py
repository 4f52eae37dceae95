"""How many requests are served at once: streams and the rest each have a budget.

What workers and `/health` ask is not counted: the server has threads to spare for
them, so that neither streams nor a crowd of requests can starve a heartbeat.
"""

from __future__ import annotations

import threading

from iris.errors import Busy

STREAMS = 48
REQUESTS = 48
RESERVE = 16  # threads for heartbeats and `/health`
THREADS = STREAMS + REQUESTS + RESERVE
RETRY_AFTER = 2  # seconds, as the header says


class Places:
    """A number of places; each is taken and given back once."""

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self.most = most
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many are in use."""
        return self._taken

    def take(self) -> Place:
        """One place. Raises Busy when all are taken."""
        with self._lock:
            if self._taken >= self.most:
                raise Busy(
                    f"all {self.most} places for {self.name} are taken",
                    hint=f"Try again in {RETRY_AFTER} seconds.",
                )
            self._taken += 1
        return Place(self)

    def _give_back(self) -> None:
        with self._lock:
            self._taken -= 1


class Place:
    """One place in use."""

    def __init__(self, places: Places) -> None:
        self._places: Places | None = places

    def release(self) -> None:
        """Give it back; doing so twice is the same as once."""
        places, self._places = self._places, None
        if places is not None:
            places._give_back()
