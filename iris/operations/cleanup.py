"""Deletes everything of a cluster, and makes sure that nothing is left.

The controller goes first: it could still create slices. It need not be alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from iris.client import records
from iris.clock import Clock
from iris.config import ClusterConfig
from iris.errors import CloudError, Conflict, FellShort
from iris.providers import load_provider
from iris.providers.contract import Leftover, Provider
from iris.session import Session

Say = Callable[[str], None]
Load = Callable[[ClusterConfig, str, Clock], Provider]

ORDER = ("controller", "slice", "disk")  # what creates goes before what is created
AT_ONCE = 8  # deletions of one kind under way together


class CleanedUp(msgspec.Struct, frozen=True):
    """What was deleted; nothing of the cluster is left."""

    cluster: str
    deleted: tuple[Leftover, ...]
    others: tuple[Leftover, ...] = ()  # of a namesake with another uid; untouched


def plan_cleanup(
    session: Session, uid: str = "", *, load: Load = load_provider
) -> CleanedUp:
    """What `cleanup` would delete, and what it would not touch."""
    provider, others = _choose(session, uid, load)
    return CleanedUp(session.cluster, _in_order(_list(session, provider)), others)


def cleanup(
    session: Session, say: Say, uid: str = "", *, load: Load = load_provider
) -> CleanedUp:
    """Delete it all, look again, forget the record. Raises FellShort."""
    provider, others = _choose(session, uid, load)
    delete = partial(_delete, provider)
    deleted: list[Leftover] = []
    faults: list[str] = []
    for kind in ORDER:
        # listed anew for each kind: until it was gone, the controller could create
        found = [each for each in _list(session, provider) if each.kind == kind]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for each, fault in zip(found, pool.map(delete, found), strict=True):
                say(fault or f"deleted {each.kind} {each.name}")
                faults += [fault] if fault else []
        deleted += found
        if faults:
            break  # a controller that lives on would fill the gap
    left = _list(session, provider)
    if left or faults:
        raise _fell_short(session, left, faults)
    if not others:
        records.forget(session.cluster)
    return CleanedUp(session.cluster, tuple(deleted), others)


def _choose(
    session: Session, uid: str, load: Load
) -> tuple[Provider, tuple[Leftover, ...]]:
    """The provider for one uid, and what belongs to a namesake."""
    everyone = load(session.config, "", session.clock)
    everything = _list(session, everyone)
    uids = sorted({each.cluster_uid for each in everything} - {""})
    chosen = uid or _only_one_meant(session, uids)
    others = tuple(e for e in everything if e.cluster_uid not in ("", chosen))
    return load(session.config, chosen, session.clock), others


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


def _list(session: Session, provider: Provider) -> tuple[Leftover, ...]:
    try:
        return provider.list_leftovers()
    except CloudError as error:
        raise FellShort(
            f"what is left of cluster {session.cluster!r} cannot be listed: {error}",
            hint="Nothing is sure before a list succeeds: run `inv cleanup` again.",
        ) from error


def _in_order(found: Iterable[Leftover]) -> tuple[Leftover, ...]:
    return tuple(sorted(found, key=lambda each: (_place(each.kind), each.name)))


def _place(kind: str) -> int:
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


def _delete(provider: Provider, leftover: Leftover) -> str:
    """Delete one; returns why it could not be, empty if it could."""
    try:
        provider.delete_leftover(leftover)
    except CloudError as error:
        return f"{leftover.kind} {leftover.name}: {error}"
    return ""


def _fell_short(
    session: Session, left: Iterable[Leftover], faults: Iterable[str]
) -> FellShort:
    named = ", ".join(f"{each.kind} {each.name}" for each in left) or "nothing listed"
    return FellShort(
        f"cluster {session.cluster!r} is not gone; left: {named}"
        + "".join(f"; {fault}" for fault in faults),
        hint="Run `inv cleanup --no-dry-run` again; the record is kept.",
    )
