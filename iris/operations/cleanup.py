"""Deletes everything of a cluster, and makes sure that nothing is left.

The controller goes first: it could still create slices. It need not be alive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from iris.client import records
from iris.clock import Clock
from iris.config import ClusterConfig
from iris.errors import Conflict, FellShort, UsageError
from iris.operations.silence import judge_silence
from iris.operations.sweeping import Left, Sweep, by_order, look
from iris.providers import load_provider
from iris.providers.contract import Leftover, Provider, Surroundings
from iris.session import Session

Say = Callable[[str], None]
Load = Callable[[ClusterConfig, str, Clock, Surroundings], Provider]

WAIT = 1200.0  # seconds; a TPU slice takes up to 4 minutes to go, a stuck one more


class CleanedUp(msgspec.Struct, frozen=True):
    """What was deleted, or would be; nothing else of the cluster is there."""

    cluster: str
    deleted: tuple[Leftover, ...]
    others: tuple[Leftover, ...] = ()  # of a namesake with another uid; untouched
    spared: str = ""  # why nothing was deleted although it could have been


class Wanted(msgspec.Struct, frozen=True):
    """What a person asks of a cleanup."""

    uid: str = ""
    is_dry: bool = True
    wait: float = WAIT
    silent_for: float | None = None  # only if the controller was; None: anyway


def session_of_name(name: str, open_session: Callable[[str], Session]) -> Session:
    """A cluster by its name alone; without a record another's file says where to look.

    `open_session` opens the record of a name, or without one what else is meant.
    """
    if not name or records.find(name) is not None:
        return open_session(name)
    session = open_session("")
    return replace(session, config=replace(session.config, name=name), record=None)


def carry_out(
    session: Session, say: Say, wanted: Wanted, *, load: Load = load_provider
) -> CleanedUp:
    """Delete what is wanted, or say what would go, or why it is spared."""
    if wanted.silent_for is not None:
        if wanted.uid not in ("", session.cluster_uid):
            raise UsageError("--if-controller-silent listens to the known uid only")
        spared = spare_unless_silent(session, wanted.silent_for, load=load)
        if spared:
            return CleanedUp(session.cluster, (), spared=spared)
    if wanted.is_dry:
        return plan_cleanup(session, wanted.uid, load=load)
    return cleanup(session, say, wanted.uid, wait=wanted.wait, load=load)


def plan_cleanup(
    session: Session, uid: str = "", *, load: Load = load_provider
) -> CleanedUp:
    """What `cleanup` would delete, and what it would not touch.

    Where several clusters have the name and none is meant, all are shown as others.
    """
    everything = _list(session, _provider(session, "", load))
    uids = _uids(everything)
    if not uid and not session.cluster_uid and len(uids) > 1:
        return CleanedUp(session.cluster, (), others=by_order(everything))
    chosen = uid or _only_one_meant(session, uids)
    ours = _list(session, _provider(session, chosen, load))
    return CleanedUp(session.cluster, by_order(ours), _others(everything, chosen))


def cleanup(
    session: Session,
    say: Say,
    uid: str = "",
    *,
    wait: float = WAIT,
    load: Load = load_provider,
) -> CleanedUp:
    """Delete it all, look again, forget the record. Raises FellShort.

    Passing faults are tried again for `wait` seconds.
    """
    everything = _list(session, _provider(session, "", load))
    chosen = uid or _only_one_meant(session, _uids(everything))
    sweep = Sweep(_provider(session, chosen, load), session.clock, say)
    left = sweep.until_clean(wait)
    if not left.is_nothing:
        raise _fell_short(session, left)
    if session.cluster_uid in ("", chosen):
        _forget(session)
    others = _others(everything, chosen)
    return CleanedUp(session.cluster, tuple(sweep.deleted), others)


def _forget(session: Session) -> None:
    if session.record is not None:
        session.close_tunnel()  # it leads nowhere
    records.forget(session.cluster)


def spare_unless_silent(
    session: Session, wanted: float, *, load: Load = load_provider
) -> str:
    """Why the cluster is left alone; empty once its controller was silent so long."""
    verdict = judge_silence(session, wanted)
    if not verdict.is_over:
        return verdict.because
    found = plan_cleanup(session, session.cluster_uid, load=load).deleted
    if found and all(each.kind == "disk" for each in found):
        return "only its state is left, as `inv cluster.stop` leaves it"
    return ""


def _provider(session: Session, uid: str, load: Load) -> Provider:
    return load(session.config, uid, session.clock, session.surroundings)


def _list(session: Session, provider: Provider) -> tuple[Leftover, ...]:
    """All that there is. Raises FellShort unless nothing is unlisted."""
    found = look(provider)
    if found.unlisted:
        raise _fell_short(session, found)
    return found.leftovers


def _uids(everything: Sequence[Leftover]) -> list[str]:
    return sorted({each.cluster_uid for each in everything} - {""})


def _others(everything: Sequence[Leftover], chosen: str) -> tuple[Leftover, ...]:
    return tuple(e for e in everything if e.cluster_uid not in ("", chosen))


def _only_one_meant(session: Session, uids: list[str]) -> str:
    known, hint = session.cluster_uid, "Name one: `inv cleanup --uid UID`."
    named = f"of the name {session.cluster!r} with uid {' and '.join(uids)}"
    if known and uids and known not in uids:
        raise Conflict(
            f"nothing is left of the cluster that is known here, with uid {known}; "
            f"there is another {named}",
            hint=hint,
        )
    if not known and len(uids) > 1:
        raise Conflict(f"there are {len(uids)} clusters {named}", hint=hint)
    return known or "".join(uids)


def _fell_short(session: Session, left: Left) -> FellShort:
    cluster = f"cluster {session.cluster!r}"
    named = ", ".join(f"{each.kind} {each.name}" for each in left.leftovers)
    faults = "".join(f"; {fault}" for fault in left.faults)
    if left.unlisted:
        listed = f"; listed are still: {named}" if named else ""
        return FellShort(
            f"what is left of {cluster} cannot be listed: {left.unlisted}"
            f"{listed}{faults}",
            hint="Nothing is sure before a list succeeds: run `inv cleanup` again.",
        )
    return FellShort(
        f"{cluster} is not gone; left: {named or 'nothing listed'}{faults}",
        hint="Run `inv cleanup --no-dry-run` again; the record is kept.",
    )
