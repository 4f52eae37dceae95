"""One attempt as a worker carries it out, and how its program will end."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptReport, AttemptSpec
from iris.domain.states import ATTEMPT_ENDED, AttemptState


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
        self.is_unkillable = False
        self.port = 0
        self.exit_code: int | None = None
        self.cause: EndCause | None = None

    @property
    def is_live(self) -> bool:
        return self.state not in ATTEMPT_ENDED

    def report(self) -> AttemptReport:
        return AttemptReport(
            uid=self.uid,
            state=self.state,
            exit_code=self.exit_code,
            cause=self.cause,
            coordinator_port=self.port,
        )
