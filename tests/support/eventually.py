"""The one place where tests wait in real time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.01  # seconds; short beside anything that a test waits for


def eventually(check: Callable[[], T], within: float = 10.0) -> T:
    """Return what `check` gives once it is true and does not raise AssertionError."""
    until = time.monotonic() + within
    while True:
        failure: AssertionError | None = None
        try:
            found = check()
            if found:
                return found
        except AssertionError as error:
            failure = error
        if time.monotonic() >= until:
            message = f"not so within {within:g} s; last seen: {failure or found!r}"
            raise AssertionError(message) from failure
        time.sleep(PAUSE)
