"""The attempts as the agent holds them: from the wish to the acknowledged end."""

from __future__ import annotations

import math
import threading

import msgspec

from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptSpec
from iris.domain.states import ATTEMPT_ENDED, AttemptState
from iris.worker.endings import FAILURES, words_of_place
from iris.worker.messages import Known


class Held(msgspec.Struct):
    """One attempt; changes as it goes on."""

    uid: str
    spec: AttemptSpec | None
    state: AttemptState = AttemptState.PREPARING
    coordinator_port: int = 0
    has_disk: bool = False  # what it asked for is promised to it
    is_started: bool = False  # the keeper was told to start it
    stopped_for: str | None = None  # why the keeper was told to end it, if it was
    stop_by: float = math.inf  # and by when
    known: Known | None = None
    cause: EndCause | None = None
    detail: str = ""
    outputs_missing: str = ""  # why what it left was not collected

    @property
    def is_stopped(self) -> bool:
        """Is its end asked for?"""
        return self.stopped_for is not None

    @property
    def has_ended(self) -> bool:
        """Is this its last state?"""
        return self.state in ATTEMPT_ENDED


class Desk:
    """All attempts of this worker by uid, behind one lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._held: dict[str, Held] = {}

    def all(self) -> list[Held]:
        """Every attempt, the ended ones too."""
        with self.lock:
            return list(self._held.values())

    def find(self, uid: str) -> Held | None:
        """One attempt, if we hold it."""
        return self._held.get(uid)

    def take_known(self, known: Known) -> Held:
        """What the keeper says of an attempt."""
        with self.lock:
            uid = known.spec.uid
            held = self._held.setdefault(uid, Held(uid, known.spec))
            held.known = known
            if known.ended_at:
                held.state, held.cause = end_of(known), known.cause
                held.detail = known.detail
            elif known.kept_until:
                held.state, held.is_started = AttemptState.RUNNING, True
                held.detail = words_of_place(known)
            elif known.started_at:
                held.state, held.is_started = AttemptState.RUNNING, True
            return held

    def take_in(self, spec: AttemptSpec) -> Held:
        """An attempt that is to be prepared."""
        with self.lock:
            return self._held.setdefault(spec.uid, Held(spec.uid, spec))

    def never_started(self, uid: str) -> None:
        """A stop came for an attempt that we never had: it will never start."""
        with self.lock:
            self._held[uid] = Held(
                uid,
                None,
                AttemptState.CANCELLED,
                cause=EndCause.STOPPED,
                detail="never started",
            )

    def miss_outputs(self, uid: str, cause: EndCause, because: str) -> None:
        """What it left was not collected: then it did not succeed."""
        with self.lock:
            held = self._held.get(uid)
            if held is None:
                return
            held.outputs_missing = because
            if held.state is AttemptState.SUCCEEDED:
                is_users = cause in FAILURES
                held.state = AttemptState.FAILED if is_users else AttemptState.LOST
                held.cause, held.detail = cause, because

    def forget(self, uid: str) -> bool:
        """Drop an attempt that has ended; False where there is none."""
        with self.lock:
            held = self._held.get(uid)
            if held is None or not held.has_ended:
                return False
            del self._held[uid]
            return True


def end_of(known: Known) -> AttemptState:
    """The last state of an attempt, by how its keeper saw it end."""
    if known.cause is EndCause.EXITED and known.exit_code == 0:
        return AttemptState.SUCCEEDED
    if known.cause in FAILURES:
        return AttemptState.FAILED
    if known.cause is EndCause.STOPPED:
        return AttemptState.CANCELLED
    return AttemptState.LOST
