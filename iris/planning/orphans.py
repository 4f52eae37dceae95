"""What the cloud listed, and what of it has no row."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from iris.planning.plans import Orphan

ORPHAN_GRACE = 60.0  # seconds; a resource may be listed just before its row is read
UNCLEAR_GRACE = 600.0  # the same where the cloud says nothing that we understand
LISTING_LAG = 10.0  # seconds; clouds list a new resource that late


class Seen(msgspec.Struct, frozen=True):
    """One resource of this cluster as the cloud listed it."""

    name: str
    uid: str
    group: str
    zone: str
    phase: str  # "creating", "up", "stopped", "preempted", "deleting", "unclear"
    created_at: float = 0.0
    words: str = ""
    is_over: bool = False  # all that ran on it has ended, by the cloud's word


class Sighted(msgspec.Struct, frozen=True):
    """One listing: what it showed, and where it could not look."""

    began_at: float
    slices: tuple[Seen, ...] = ()
    unlisted_zones: frozenset[str] = frozenset()
    lag: float = LISTING_LAG  # a new resource may be missing from it for so long


def find_orphans(
    seen: Mapping[str, Seen], known: set[str], now: float
) -> tuple[tuple[Orphan, ...], list[float]]:
    """What has no row and is past its grace, and when the others will be."""
    orphans: list[Orphan] = []
    times: list[float] = []
    for each in seen.values():
        if each.name in known or each.phase == "deleting":
            continue
        grace = UNCLEAR_GRACE if each.phase == "unclear" else ORPHAN_GRACE
        if each.created_at + grace > now:
            times.append(each.created_at + grace)
            continue
        because = f"{each.phase} for longer than {grace:.0f} s without a row"
        orphans.append(Orphan(each.name, each.zone, because))
    return tuple(orphans), times
