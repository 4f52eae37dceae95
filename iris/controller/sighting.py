"""The cloud's list in the terms of planning."""

from __future__ import annotations

from iris.planning.orphans import Seen, Sighted
from iris.providers.contract import Listing


def sighted(listing: Listing) -> Sighted:
    """What a listing shows, in the terms of planning."""
    return Sighted(
        began_at=listing.began_at,
        slices=tuple(
            Seen(
                name=each.name,
                uid=each.uid,
                group=each.group,
                zone=each.zone,
                phase=each.phase.value,
                created_at=each.created_at,
                words=each.words,
                is_over=each.is_over,
            )
            for each in listing.slices
        ),
        unlisted_zones=frozenset(listing.unlisted_zones),
        lag=listing.lag,
    )
