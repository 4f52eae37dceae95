"""The attempts as the agent holds them: from the wish to the acknowledged end."""

from __future__ import annotations

import threading

import msgspec

from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptReport, AttemptSpec
from iris.domain.states import AttemptState
from iris.worker.messages import Known


class Held(msgspec.Struct):
    """One attempt; changes as it goes on."""

    uid: str
    spec: AttemptSpec | None
    state: AttemptState = AttemptState.PREPARING
    coordinator_port: int = 0
    is_started: bool = False  # the keeper was told to start it
    is_stopped: bool = False  # the keeper was told to end it
    known: Known | None = None
    cause: EndCause | None = None
    detail: str = ""


_FAILED = frozenset(
    {
        EndCause.EXITED,
        EndCause.SIGNALLED,
        EndCause.NO_SUCH_COMMAND,
        EndCause.OUT_OF_MEMORY,
        EndCause.TIMED_OUT,
    }
)


class Desk:
    """All attempts of this worker by uid, behind one lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.held: dict[str, Held] = {}

    def take_known(self, known: Known) -> Held:
        """What the keeper says of an attempt."""
        with self.lock:
            uid = known.spec.uid
            held = self.held.setdefault(uid, Held(uid, known.spec))
            held.known = known
            if known.ended_at:
                held.state, held.cause = end_of(known), known.cause
                held.detail = known.detail
            elif known.pid:
                held.state, held.is_started = AttemptState.RUNNING, True
            return held

    def fail_to_prepare(self, held: Held, because: str) -> None:
        """It never started; that is never the user's fault."""
        with self.lock:
            held.state, held.cause = AttemptState.LOST, EndCause.PREPARE_FAILED
            held.detail = because

    def never_started(self, uid: str) -> None:
        """A stop came for an attempt that we never had: it will never start."""
        with self.lock:
            self.held[uid] = Held(
                uid,
                None,
                AttemptState.CANCELLED,
                cause=EndCause.STOPPED,
                detail="never started",
            )


def end_of(known: Known) -> AttemptState:
    """The last state of an attempt, by how its keeper saw it end."""
    if known.cause is EndCause.EXITED and known.exit_code == 0:
        return AttemptState.SUCCEEDED
    if known.cause in _FAILED:
        return AttemptState.FAILED
    if known.cause is EndCause.STOPPED:
        return AttemptState.CANCELLED
    return AttemptState.LOST


def report_of(held: Held, log_bytes: int, offset: int, log: bytes) -> AttemptReport:
    """What the heartbeat says of one attempt."""
    known = held.known
    return AttemptReport(
        uid=held.uid,
        state=held.state,
        exit_code=known.exit_code if known else None,
        cause=held.cause,
        detail=held.detail,
        coordinator_port=held.coordinator_port,
        log_bytes=log_bytes,
        log=log,
        log_offset=offset,
        started_at=known.started_at if known else 0.0,
        ended_at=known.ended_at if known else 0.0,
    )
