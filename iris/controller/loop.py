"""A loop that repeats one turn, survives a bad one, and says how late it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from iris.clock import Clock
from iris.domain.views import LoopHealth

log = logging.getLogger(__name__)

LONGEST_REST = 30.0  # seconds between turns though nothing asks for one
FIRST_PAUSE = 0.5  # seconds after a bad turn, doubled with each further one
LONGEST_PAUSE = 10.0
MOST_BREATH = 0.5  # seconds after the longest turn


class Loop:
    """Calls `once` when woken and at the time that it last returned (0: no time).

    Where every turn wakes the next, turns take at most `share` of the time: what
    thousands wait for is planned seldom enough that requests are served meanwhile. A
    loop of little haste leaves `settling` seconds after a wake to those who have more.
    """

    def __init__(
        self,
        name: str,
        once: Callable[[], float],
        clock: Clock,
        *,
        share: float = 1.0,
        settling: float = 0.0,
    ) -> None:
        self.name = name
        self._breath = 1.0 / share - 1.0  # in turns
        self._settling = settling
        self._once = once
        self._clock = clock
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._due_at = clock.now()
        self._turns = 0
        self._errors = 0
        self._errors_in_a_row = 0
        self._last_error = ""

    def start(self) -> None:
        self._due_at = self._clock.now()
        self._thread.start()

    def wake(self) -> None:
        """Something changed: the next turn starts at once, or after this one."""
        self._woken.set()

    def stop(self, timeout: float) -> bool:
        """Ask it to end after its turn; did it within `timeout` seconds?"""
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def health(self) -> LoopHealth:
        """`late_seconds` counts from when the turn that is due, or runs, was due."""
        return LoopHealth(
            name=self.name,
            late_seconds=max(self._clock.now() - self._due_at, 0.0),
            turns=self._turns,
            errors=self._errors,
            last_error=self._last_error,
        )

    def turn(self) -> float:
        """One supervised turn; returns when the next is due at the latest."""
        began = self._clock.now()
        try:
            next_at = self._once()
        except Exception as error:
            # whatever was wrong with this turn, the next one sees fresh state
            log.exception("turn broke loop=%s", self.name)
            self._errors += 1
            self._errors_in_a_row += 1
            self._last_error = f"{type(error).__name__}: {error}"
            pause = FIRST_PAUSE * 2.0 ** min(self._errors_in_a_row - 1, 10)
            return self._clock.now() + min(pause, LONGEST_PAUSE)
        self._turns += 1
        self._errors_in_a_row = 0
        latest = began + LONGEST_REST
        return min(next_at, latest) if next_at else latest

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            began = self._clock.now()
            due_at = self.turn()
            self._due_at = due_at
            if self._errors_in_a_row:
                # not even a wake ends the pause after a bad turn
                self._clock.wait(self._stopping, due_at - self._clock.now())
                continue
            breath = (self._clock.now() - began) * self._breath
            if self._clock.wait(self._stopping, min(breath, MOST_BREATH)):
                return  # its wake may have come before the turn, which forgot it
            is_woken = self._clock.wait(self._woken, due_at - self._clock.now())
            if is_woken:
                self._due_at = min(self._due_at, self._clock.now())
                self._clock.wait(self._stopping, self._settling)
