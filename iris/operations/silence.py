"""Whether a controller has been silent for so long that its cluster is to go.

A dead man's switch, for cron. Only a look at which the cloud answers and the
controller does not counts as silence; one at which nothing answers says nothing
of the controller, and the time up to it does not count.
"""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec

from iris import wire
from iris.client import Client, records
from iris.clock import Clock
from iris.errors import IrisError, Late, NoCluster, Unreachable, UsageError
from iris.files import write_private
from iris.providers.contract import Phase
from iris.session import Session

LAST_LOOKS, BETWEEN = 3, 20.0  # looks before anything is deleted, seconds between
PATIENCE = 10.0  # seconds for one answer
_NEVER = threading.Event()


class Silence(msgspec.Struct, frozen=True):
    """What is remembered in the record's folder between two looks."""

    cluster_uid: str
    heard_at: float = 0.0  # when the controller last answered a look, 0: never
    looked_at: float = 0.0
    was_silent: bool = False  # at that look
    seconds: float = 0.0  # of silence so far


class Verdict(msgspec.Struct, frozen=True):
    """What the look says about the switch."""

    is_over: bool  # silent for as long as was asked
    because: str


def judge_silence(session: Session, wanted: float) -> Verdict:
    """Look once, remember it, and look again before it says that it is over.

    Raises what the cloud said where it did not answer, and NoCluster without a record.
    """
    silence = _look(session)
    for _ in range(LAST_LOOKS - 1):
        if not silence.was_silent or silence.seconds < wanted:
            break
        session.clock.wait(_NEVER, min(BETWEEN, wanted))
        silence = _look(session)
    return _judged(silence, wanted)


def _judged(silence: Silence, wanted: float) -> Verdict:
    if not silence.was_silent:
        return Verdict(False, "the controller answers")
    words = f"the controller was silent for {silence.seconds:.0f} s of {wanted:.0f} s"
    return Verdict(silence.seconds >= wanted, words)


def _look(session: Session) -> Silence:
    """One look, remembered; one at which nothing answers is remembered as such."""
    if session.record is None:
        raise NoCluster(
            f"there is no record of cluster {session.cluster!r} on this machine: "
            "nobody here could hear its controller",
            hint="`inv cluster.start` on a running cluster makes one.",
        )
    before = _remembered(session)
    try:
        is_silent = not _answers(session)
    except IrisError:
        _remember(session, _next(before, session.clock, is_silent=False))
        raise
    after = _next(before, session.clock, is_silent=is_silent)
    if not is_silent:
        after = Silence(session.cluster_uid, session.clock.now(), session.clock.now())
    _remember(session, after)
    return after


def _next(before: Silence, clock: Clock, *, is_silent: bool) -> Silence:
    """Time counts only between two looks that both met silence."""
    now = clock.now()
    passed = now - before.looked_at if is_silent and before.was_silent else 0.0
    return Silence(
        before.cluster_uid,
        before.heard_at,
        now,
        is_silent,
        before.seconds + max(passed, 0.0),
    )


def _answers(session: Session) -> bool:
    """Does the controller? Raises what speaks for our own side, or the cloud's."""
    # the cloud first: where it does not answer either, nothing is known
    machine = session.controller_machine()
    if machine is None or machine.phase is Phase.STOPPED:
        return False
    try:
        with Client(session.controller_url(), "", PATIENCE, session.clock) as client:
            health = client.health()
    except (Unreachable, Late, NoCluster):
        session.provider.list_controllers()  # it still does: it is not our network
        return False
    return health.cluster_uid == session.cluster_uid


def _remembered(session: Session) -> Silence:
    fresh = Silence(session.cluster_uid)
    try:
        kept = wire.decode(_file(session).read_bytes(), Silence)
    except (OSError, UsageError):
        return fresh
    return kept if kept.cluster_uid == session.cluster_uid else fresh


def _remember(session: Session, silence: Silence) -> None:
    write_private(_file(session), wire.encode(silence) + b"\n")


def _file(session: Session) -> Path:
    return records.record_folder(session.cluster) / "silence.json"
