"""What was asked of the cloud about each slice, and when it may be asked again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

import msgspec

from iris.clock import Clock
from iris.controller.calls import CallPort
from iris.errors import CloudError, RateLimited, Unavailable, Unknown

log = logging.getLogger(__name__)

CREATE, DELETE, ANNOUNCE, WATCH = "create", "delete", "announce", "watch"
# Refusals that say nothing about the slice itself: the same call is made again.
PASSING = (RateLimited, Unavailable, Unknown)


class Pace(msgspec.Struct, frozen=True):
    """How often the autoscaler looks, asks, and asks again; in seconds."""

    evaluation_interval: float = 10.0
    listing_interval: float = 5.0
    # between listings while an absence is awaited; shorter only where a listing is
    # exact, for two of them release what ran there
    eager_interval: float = 5.0
    eager_for: float = 60.0  # how long a deletion is worth that
    suspect_after: float = 15.0
    lost_after: float = 60.0
    call_deadline: float = 60.0
    first_retry: float = 1.0  # after a passing fault, doubled with each further one
    longest_retry: float = 30.0
    delete_again: float = 60.0  # an accepted deletion that shows no effect
    stalled_after: float = 10.0  # a turn that late means that we stood still


class _Asked(msgspec.Struct, frozen=True):
    again_at: float
    failures: int = 0
    is_accepted: bool = False


class Asking:
    """The calls about slices; kept in memory only, so that a restart asks anew."""

    def __init__(self, calls: CallPort, clock: Clock, pace: Pace) -> None:
        self._calls = calls
        self._clock = clock
        self._pace = pace
        self._asked: dict[tuple[str, str], _Asked] = {}

    def may_ask(self, verb: str, name: str) -> bool:
        """Is nothing under way about the slice, and the last answer old enough?"""
        # a deletion waits for the answer of the creation that it undoes; for one of a
        # mere question it does not
        verbs = {CREATE, DELETE, ANNOUNCE, verb}
        if any(self._calls.is_under_way(f"{each} {name}") for each in verbs):
            return False
        asked = self._asked.get((verb, name))
        return asked is None or asked.again_at <= self._clock.now()

    def ask(self, verb: str, name: str, call: Callable[[], object]) -> None:
        """Start the call; its outcome has the key `verb name`."""
        self._calls.start(f"{verb} {name}", call, self._pace.call_deadline)

    def accepted(self, verb: str, name: str) -> bool:
        """The cloud accepted it; is that news?"""
        former = self._asked.get((verb, name))
        again_at = self._clock.now() + self._pace.delete_again
        self._asked[verb, name] = _Asked(again_at, is_accepted=True)
        return former is None or not former.is_accepted

    def again_in(self, verb: str, name: str, seconds: float) -> None:
        """All is well so far: ask again after a pause."""
        self._asked[verb, name] = _Asked(self._clock.now() + seconds)

    def failed(self, verb: str, name: str, error: CloudError) -> None:
        """A passing fault, or a deletion refused: ask again after a pause."""
        former = self._asked.get((verb, name)) or _Asked(0.0)
        pause = self._pace.first_retry * 2 ** min(former.failures, 10)
        pause = min(pause, self._pace.longest_retry)
        self._asked[verb, name] = msgspec.structs.replace(
            former, again_at=self._clock.now() + pause, failures=former.failures + 1
        )
        log.warning(
            'call failed call=%s slice=%s again_in=%.0f because="%s"',
            verb,
            name,
            pause,
            words_of(error),
        )

    def keep_only(self, names: Collection[str]) -> None:
        """Forget what was asked about slices that are no more."""
        for key in [key for key in self._asked if key[1] not in names]:
            del self._asked[key]

    def next_at(self) -> float:
        """When something may be asked again, 0 if nothing waits for that."""
        now = self._clock.now()
        times = [a.again_at for a in self._asked.values() if a.again_at > now]
        return min(times, default=0.0)


def words_of(error: CloudError | None) -> str:
    """The kind of a refusal and the cloud's own words."""
    return f"{error.code()}: {error}" if error else "no answer"
