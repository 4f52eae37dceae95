"""Time, handed in: the real clock, and a virtual one for tests and simulations."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Where everything that waits, expires or measures takes its time from."""

    def now(self) -> float:
        """Seconds since the epoch; never goes back within one process."""

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Wait until the event is set or `timeout` seconds passed; was it set?"""


class RealClock:
    """Wall time read once, carried on by the monotonic clock."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic()

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        return event.wait(timeout)


class VirtualClock:
    """Stands still until `advance` is called; waiters wake when it passes them."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._moved = threading.Condition()

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move time forward and wake whatever waited for less."""
        with self._moved:
            self._now += seconds
            self._moved.notify_all()

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        until = None if timeout is None else self._now + timeout
        with self._moved:
            while not event.is_set() and (until is None or self._now < until):
                # an event set by another thread is seen within 10 ms of real time
                self._moved.wait(0.01)
        return event.is_set()
