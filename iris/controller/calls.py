"""Calls to a cloud, off the control threads: bounded, with deadlines, one budget.

What they answered is taken by the loop that asked. An answer that comes after its
deadline is dropped: the call counts as Unknown, and the next listing tells.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Protocol

import msgspec

from iris.clock import Clock
from iris.errors import CloudError, RateLimited, Unknown

log = logging.getLogger(__name__)

REFUSED_PAUSE = 2.0  # seconds without calls after the cloud said "too many"


class Outcome(msgspec.Struct, frozen=True):
    """How one call ended: its answer, or its error."""

    key: str
    answer: object = None
    error: CloudError | None = None


class CallPort(Protocol):
    """Starts calls that do not block, and hands out how they ended."""

    def start(self, key: str, call: Callable[[], object], deadline: float) -> bool:
        """Run `call` within `deadline` seconds; False while `key` is under way."""

    def take(self) -> list[Outcome]:
        """How the calls ended that ended since the last time, in that order."""

    def is_under_way(self, key: str) -> bool:
        """Has the call of that key neither answered nor passed its deadline?"""

    def next_deadline(self) -> float:
        """When the first of the calls under way becomes Unknown, 0 without any."""


class Budget:
    """A bucket of calls that refills steadily, shared by all calls of a project."""

    def __init__(self, clock: Clock, per_second: float, burst: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = float(burst)
        self._left = float(burst)
        self._filled_at = clock.now()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one call; returns the seconds to wait before making it."""
        with self._lock:
            now = self._clock.now()
            grown = max(now - self._filled_at, 0.0) * self._per_second
            self._filled_at = max(now, self._filled_at)
            self._left = min(self._left + grown, self._burst) - 1.0
            return max(-self._left / self._per_second, 0.0)

    def pause(self, seconds: float) -> None:
        """The cloud refused for their number: none for a while, by anyone."""
        with self._lock:
            self._left = min(self._left, -seconds * self._per_second)


class _Call(msgspec.Struct, eq=False):
    key: str
    run: Callable[[], object]
    until: float


class Calls:
    """The pool: up to `threads`, started when needed, that end with the process."""

    def __init__(
        self,
        clock: Clock,
        wake: Callable[[], None],
        *,
        threads: int = 16,
        per_second: float = 10.0,
        burst: int = 40,
    ) -> None:
        self._clock = clock
        self._wake = wake
        self._threads = threads
        self._budget = Budget(clock, per_second, burst)
        self._lock = threading.Lock()
        self._under_way: dict[str, _Call] = {}
        self._ended: list[Outcome] = []
        self._waiting: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._started: list[threading.Thread] = []
        self._stopping = threading.Event()

    def start(self, key: str, call: Callable[[], object], deadline: float) -> bool:
        with self._lock:
            if key in self._under_way or self._stopping.is_set():
                return False
            made = _Call(key, call, self._clock.now() + deadline)
            self._under_way[key] = made
            if len(self._started) < min(len(self._under_way), self._threads):
                self._start_thread()
        self._waiting.put(made)
        return True

    def take(self) -> list[Outcome]:
        with self._lock:
            self._expire()
            ended, self._ended = self._ended, []
        return ended

    def is_under_way(self, key: str) -> bool:
        with self._lock:
            self._expire()
            return key in self._under_way

    def next_deadline(self) -> float:
        with self._lock:
            return min((call.until for call in self._under_way.values()), default=0.0)

    def stop(self, timeout: float) -> bool:
        """Start nothing more; did all that ran end within `timeout` seconds?"""
        self._stopping.set()
        until = self._clock.now() + timeout
        for _ in self._started:
            self._waiting.put(None)
        for thread in self._started:
            thread.join(max(until - self._clock.now(), 0.0))
        return not any(thread.is_alive() for thread in self._started)

    def _start_thread(self) -> None:
        name = f"cloud-call-{len(self._started)}"
        # a call may hang for ever; it must not keep the process alive
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._started.append(thread)
        thread.start()

    def _work(self) -> None:
        while (call := self._waiting.get()) is not None:
            self._clock.wait(self._stopping, self._budget.take())
            if self._is_wanted(call):
                self._end(call, self._run(call))

    def _is_wanted(self, call: _Call) -> bool:
        """A call that waited past its deadline must have no effect any more."""
        with self._lock:
            is_current = self._under_way.get(call.key) is call
        is_in_time = self._clock.now() < call.until
        return is_current and is_in_time and not self._stopping.is_set()

    def _run(self, call: _Call) -> Outcome:
        try:
            return Outcome(call.key, call.run())
        except RateLimited as error:
            self._budget.pause(REFUSED_PAUSE)
            return Outcome(call.key, error=error)
        except CloudError as error:
            return Outcome(call.key, error=error)
        except Exception as error:
            # a provider's bug must not end the thread, nor pass for an answer
            log.exception("cloud call broke call=%s", call.key)
            words = f"{type(error).__name__}: {error}"
            return Outcome(call.key, error=Unknown(words))

    def _end(self, call: _Call, outcome: Outcome) -> None:
        with self._lock:
            if self._under_way.get(call.key) is not call:
                return  # it was Unknown already
            del self._under_way[call.key]
            self._ended.append(outcome)
        self._wake()

    def _expire(self) -> None:
        now = self._clock.now()
        for call in [c for c in self._under_way.values() if c.until <= now]:
            del self._under_way[call.key]
            late = Unknown(f"no answer to {call.key!r} before its deadline")
            self._ended.append(Outcome(call.key, error=late))
