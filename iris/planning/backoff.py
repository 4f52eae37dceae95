"""How long a group stays away from a zone that refused it, by kind of refusal."""

from __future__ import annotations

import msgspec

from iris.domain.fleet import Backoff


class Patience(msgspec.Struct, frozen=True):
    """Seconds after the first refusal, doubled with each further one up to `most`."""

    base: float
    most: float


MINUTE, HOUR = 60.0, 3600.0

PATIENCE: dict[str, Patience] = {
    "no-quota": Patience(HOUR, 24 * HOUR),  # only a person can change it
    "not-permitted": Patience(5 * MINUTE, HOUR),  # the same, but often mended soon
    "rejected": Patience(5 * MINUTE, HOUR),  # will be refused again as it stands
    "not-found": Patience(MINUTE, 30 * MINUTE),  # a zone or type that is not there
    "quota-full": Patience(30.0, 10 * MINUTE),  # until something is given back
    "out-of-capacity": Patience(30.0, 15 * MINUTE),  # another zone meanwhile
    "unavailable": Patience(5.0, 2 * MINUTE),
    "rate-limited": Patience(2.0, MINUTE),
    "already-exists": Patience(1.0, MINUTE),  # the next name is another one
    # what a slice did after its creation was accepted (see lifecycle)
    "create-late": Patience(30.0, 15 * MINUTE),
    "boot-late": Patience(30.0, 15 * MINUTE),
    "boot-failed": Patience(10.0, 10 * MINUTE),
    # the answer could not be read: nothing is held back, the listing will tell
    "unknown": Patience(0.0, 0.0),
}
_OTHER = Patience(30.0, 10 * MINUTE)
# Refusals this long after the last back-off ended begin a new series.
FORGOTTEN_AFTER = HOUR


def next_backoff(  # noqa: PLR0913 - the six parts of one back-off
    previous: Backoff | None,
    group: str,
    zone: str,
    error_code: str,
    words: str,
    now: float,
) -> Backoff:
    """Hold the group back from the zone, longer with each refusal of one kind."""
    failures = 1
    if previous is not None and _goes_on(previous, error_code, now):
        failures = previous.failures + 1
    patience = PATIENCE.get(error_code, _OTHER)
    # beyond 2**30 every kind has reached its limit, and floats stay finite
    seconds = min(patience.base * 2 ** min(failures - 1, 30), patience.most)
    return Backoff(group, zone, failures, now + seconds, error_code, words)


def is_held_back(backoff: Backoff | None, now: float) -> bool:
    """May the group not grow in the zone for the moment?"""
    return backoff is not None and backoff.until > now


def _goes_on(previous: Backoff, error_code: str, now: float) -> bool:
    return previous.kind == error_code and now - previous.until < FORGOTTEN_AFTER
