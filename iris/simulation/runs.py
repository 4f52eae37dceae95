"""One attempt as a worker carries it out, and how its program will end."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from iris.domain.jobs import DEPARTURES, EndCause
from iris.domain.protocol import AttemptReport, AttemptSpec, Desired
from iris.domain.states import ATTEMPT_ENDED, AttemptState
from iris.simulation.faults import Weather

WORKS_ON = 0.5  # of the programs that are told of their machine's end
SAME_MOMENT = 1.0  # seconds by which a deadline must move to be told again


class Fate(msgspec.Struct, frozen=True):
    """What an attempt will do, known to nobody before."""

    prepare_seconds: float
    is_prepared: bool
    run_seconds: float
    exit_code: int
    cause: EndCause = EndCause.EXITED


FateOf = Callable[[AttemptSpec], Fate]


class Run:
    """One attempt on one worker, until its end is acknowledged."""

    def __init__(self, uid: str, spec: AttemptSpec | None) -> None:
        self.uid = uid
        self.spec = spec  # None: stopped before the worker ever had it
        self.state = AttemptState.PREPARING
        self.may_start = False
        self.is_stopping = False
        self.ends_as = EndCause.STOPPED  # once it is stopping
        self.kill_at = 0.0  # the same
        self.is_unkillable = False
        self.port = 0
        self.exit_code: int | None = None
        self.cause: EndCause | None = None

    @property
    def is_live(self) -> bool:
        return self.state not in ATTEMPT_ENDED

    @property
    def is_leaving(self) -> bool:
        """Is it asked to end since its machine goes?"""
        return self.is_stopping and self.ends_as in DEPARTURES

    def heeds(self, desired: Desired, now: float) -> bool:
        """Does this stop say anything new? A person's wish, or a nearer deadline."""
        if not self.is_live or self.is_unkillable:
            return False
        grace = self.spec.stop_grace if self.spec else 0.0
        kill_at = now + (grace if desired.grace < 0 else desired.grace)
        is_wish = desired.cause not in DEPARTURES
        is_nearer = kill_at < self.kill_at - SAME_MOMENT
        if self.is_stopping and not (self.is_leaving and (is_wish or is_nearer)):
            return False
        self.kill_at = min(kill_at, self.kill_at) if self.is_stopping else kill_at
        self.kill_at = max(self.kill_at, now)
        self.is_stopping, self.ends_as = True, desired.cause
        return True

    def ends_in(self, weather: Weather, now: float) -> float:
        """Seconds from the signal on that the program takes."""
        grace = self.kill_at - now
        works_on = self.is_leaving and weather.chance.random() < WORKS_ON
        return grace if works_on else weather.between(min(0.05, grace), grace)

    def end_when_stopped(self) -> tuple[AttemptState, int, EndCause]:
        """How it ends by our signal."""
        if self.is_leaving:
            return AttemptState.LOST, 143, self.ends_as
        return AttemptState.CANCELLED, -15, EndCause.STOPPED

    def bad_end(
        self, exit_code: int, cause: EndCause
    ) -> tuple[AttemptState, int, EndCause]:
        """How it ends by itself, and not well."""
        if self.is_leaving and cause is not EndCause.OUT_OF_MEMORY:
            return AttemptState.LOST, exit_code, self.ends_as
        return AttemptState.FAILED, exit_code, cause

    def report(self) -> AttemptReport:
        return AttemptReport(
            uid=self.uid,
            state=self.state,
            exit_code=self.exit_code,
            cause=self.cause,
            coordinator_port=self.port,
        )
