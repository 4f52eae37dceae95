"""Virtual time: a queue of what happens when, seeded chance, and the trace of it."""

from __future__ import annotations

import hashlib
import heapq
import threading
from collections import deque
from collections.abc import Callable
from random import Random

BEGINNING = 1_800_000_000.0  # seconds since the epoch
LINES_KEPT = 400  # of the trace, for whoever reads a broken promise
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


class SimulatedClock:
    """Moves only from one happening to the next."""

    def __init__(self) -> None:
        self._now = BEGINNING

    def now(self) -> float:
        return self._now

    def move_to(self, at: float) -> None:
        self._now = max(self._now, at)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        # nothing in a simulation may wait: time stands still while anything runs
        return event.is_set()


class World:
    """Everything that happens, in order of its time; the same for the same seed."""

    def __init__(self, seed: int, keep_all: bool = False) -> None:
        self.seed = seed
        self.clock = SimulatedClock()
        self.steps = 0
        self.is_quiet = False  # nothing more goes wrong
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._lines: deque[str] = deque(maxlen=None if keep_all else LINES_KEPT)
        self._line_count = 0
        self._digest = hashlib.blake2b(digest_size=16)

    def chance(self, name: str) -> Random:
        """A stream of random numbers of its own for each part of the world."""
        return Random(f"{self.seed}/{name}")

    @property
    def now(self) -> float:
        return self.clock.now()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self.clock.now() - BEGINNING

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Let `action` happen at `time`, now at the earliest."""
        self._order += 1
        heapq.heappush(self._queue, (max(time, self.now), self._order, action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Let `action` happen in a while."""
        self.at(self.now + seconds, action)

    def step(self) -> bool:
        """Let the next thing happen; False if nothing ever will."""
        if not self._queue:
            return False
        time, _, action = heapq.heappop(self._queue)
        self.clock.move_to(time)
        self.steps += 1
        action()
        return True

    def tell(self, text: str) -> None:
        """One line of the trace."""
        line = f"{format_time(self.elapsed)} {text}"
        self._digest.update(line.encode())
        self._lines.append(line)
        self._line_count += 1

    def trace(self, most: int | None = None) -> list[str]:
        """The last lines of the trace."""
        lines = list(self._lines)
        return lines if most is None else lines[-most:]

    def digest(self) -> str:
        """Stands for the whole trace: equal if and only if every byte of it is."""
        return f"{self._digest.hexdigest()}-{self._line_count}"


def format_time(seconds: float) -> str:
    """Days and a time of day, to the millisecond."""
    days, rest = divmod(seconds, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    return f"{days:.0f}d{hours:02.0f}:{minutes:02.0f}:{rest:06.3f}"
