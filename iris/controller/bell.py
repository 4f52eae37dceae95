"""Rings when State changes, for those who wait for the next event."""

from __future__ import annotations

import threading

from iris.controller.change import Changed


class Bell:
    """Rings at every change of State; a stream waits for the next ring."""

    def __init__(self) -> None:
        self._rung = threading.Condition()
        self._count = 0

    def ring(self, changed: Changed) -> None:
        """Something happened; to be given to `State.listen`."""
        if changed.events:
            with self._rung:
                self._count += 1
                self._rung.notify_all()

    @property
    def count(self) -> int:
        """How often it has rung."""
        return self._count

    def wait(self, after: int, timeout: float) -> None:
        """Return once it has rung more than `after` times, or after `timeout`."""
        with self._rung:
            self._rung.wait_for(lambda: self._count > after, timeout)
