"""What was there a while ago, for lists that lag behind.

In memory only: after a restart of the emulator the past begins with what it found.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from iris.clock import Clock
from iris.emulator.faults import FaultKind, Faults

HORIZON = 3600.0  # seconds; no list lags behind for longer
EVERYWHERE = "-"


class Placed(Protocol):
    """A resource that lies in a zone."""

    @property
    def zone(self) -> str: ...


T = TypeVar("T", bound=Placed)


class Past(Generic[T]):
    """Resources of one kind, as they were and are; use it under the core's lock."""

    def __init__(self, clock: Clock, found: Iterable[tuple[str, T]]) -> None:
        self._clock = clock
        self._kept: dict[str, list[tuple[float, T | None]]] = {
            key: [(-math.inf, item)] for key, item in found
        }

    def keep(self, key: str, item: T | None) -> None:
        """From now on it is like this; None: it is gone."""
        now = self._clock.now()
        entries = [*self._kept.get(key, ()), (now, item)]
        first = bisect.bisect(entries, now - HORIZON, key=lambda entry: entry[0])
        self._kept[key] = entries[max(first - 1, 0) :]
        if item is None:
            self._forget(now - HORIZON)

    def listed(self, faults: Faults, api: str, zone: str) -> list[T]:
        """What a list of a zone shows, `-` being all of them; in no order."""
        lags = lags_of(faults, api, zone, self._zones())
        now, shown = self._clock.now(), []
        for entries in self._kept.values():
            item = _as_of(entries, lambda its: now - lags.get(its, -math.inf))
            if item is not None and zone in (EVERYWHERE, item.zone):
                shown.append(item)
        return shown

    def _zones(self) -> list[str]:
        found = {
            item.zone
            for entries in self._kept.values()
            for _, item in entries
            if item is not None
        }
        return sorted(found)

    def _forget(self, before: float) -> None:
        over = [k for k, e in self._kept.items() if e[-1][1] is None]
        for key in [k for k in over if self._kept[k][-1][0] < before]:
            del self._kept[key]


def lags_of(
    faults: Faults, api: str, zone: str, zones: Iterable[str]
) -> Mapping[str, float]:
    """By how many seconds a list of a zone, `-` being all, lags behind in each."""

    def taken(asked: str) -> float | None:
        kind = FaultKind.STALE_LIST
        fault = faults.take(kind, api=api, verb="list", zone=asked)
        return None if fault is None else fault.seconds

    whole = taken(zone)
    if whole is not None:
        return dict.fromkeys(zones, whole)
    if zone != EVERYWHERE:
        return {}
    found = {each: taken(each) for each in zones}
    return {each: lag for each, lag in found.items() if lag is not None}


def _as_of(
    entries: list[tuple[float, T | None]], moment_in: Callable[[str], float]
) -> T | None:
    """The item at the moment that its zone is shown at."""
    zone = next((item.zone for _, item in entries if item is not None), "")
    moment = moment_in(zone)
    place = bisect.bisect(entries, moment, key=lambda entry: entry[0])
    return entries[place - 1][1] if place else None
