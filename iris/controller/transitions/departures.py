"""Attempts whose machine goes: they have their signal at once, and until when."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from iris.controller.change import Change
from iris.domain.jobs import Attempt, EndCause
from iris.domain.states import ATTEMPT_ENDED

SAME_MOMENT = 1.0  # seconds by which a deadline must come nearer to be told again


class Departure(msgspec.Struct, frozen=True):
    """Why a machine goes, and how long what runs there has."""

    cause: EndCause  # one of DEPARTURES
    seconds: float | None = None  # None for each job's own grace


def ask_to_leave(
    change: Change, attempt: Attempt, because: str, departure: Departure
) -> None:
    """Want an attempt to end before its machine goes; the nearest deadline stands."""
    if attempt.state in ATTEMPT_ENDED:
        return
    seconds = departure.seconds
    if seconds is None:
        seconds = change.job(attempt.job_uid).spec.stop_grace
    stop_by = change.now + seconds
    if attempt.stop_because and attempt.stop_by - SAME_MOMENT <= stop_by:
        return
    if attempt.stop_because and attempt.stop_cause is None:
        return  # a person ends it; what its VM hears of its end it obeys by itself
    cause = departure.cause
    change.put_attempt(
        replace(attempt, stop_because=because, stop_by=stop_by, stop_cause=cause)
    )
