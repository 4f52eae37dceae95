"""A question asked again where a cloud's passing fault was in the way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from iris.clock import Clock
from iris.errors import RateLimited, Unavailable, Unknown

T = TypeVar("T")

PASSING = (Unavailable, RateLimited, Unknown)
PATIENCE = 20.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between tries, doubled each time
_NEVER = threading.Event()


def patiently(clock: Clock, question: Callable[[], T], patience: float = PATIENCE) -> T:
    """Its answer; a fault that does not pass in time is raised."""
    until, pause = clock.now() + patience, FIRST_PAUSE
    while True:
        try:
            return question()
        except PASSING:
            if clock.now() + pause > until:
                raise
        clock.wait(_NEVER, pause)
        pause = min(pause * 2, LONGEST_PAUSE)
