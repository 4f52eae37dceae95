"""What a cleanup deleted, or would, as a person reads it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from iris.commands._tables import ago, table
from iris.operations.cleanup import CleanedUp
from iris.providers.contract import Leftover

_HEADS = ("KIND", "NAME", "ZONE", "AGE", "USD/H", "UID", "WORDS")


def describe_cleanup(found: CleanedUp, *, dry: bool) -> str:
    """A table of what went, what it cost an hour, and what belongs to a namesake."""
    parts = [_spared(found) or _ours(found, dry=dry)]
    if found.others:
        parts.append(_theirs(found))
    return "\n".join(parts)


def _spared(found: CleanedUp) -> str:
    if not found.spared:
        return ""
    return f"cluster {found.cluster} is left alone: {found.spared}"


def _ours(found: CleanedUp, *, dry: bool) -> str:
    if not found.deleted:
        if found.others:
            return f"nothing of cluster {found.cluster} is chosen"
        return f"nothing of cluster {found.cluster} is left"
    end = (
        "would be deleted; --no-dry-run does it" if dry else "deleted; nothing is left"
    )
    return f"{_tabled(found.deleted)}\n{_cost(found.deleted)}\n{end}"


def _theirs(found: CleanedUp) -> str:
    uids = sorted({each.cluster_uid for each in found.others})
    named = " and ".join(uids)
    return (
        f"{_tabled(found.others)}\nof the same name with uid {named}: not touched; "
        f"`inv cleanup --name {found.cluster} --uid UID` means one of them"
    )


def _tabled(these: Sequence[Leftover]) -> str:
    now = time.time()
    rows = [
        (
            each.kind,
            each.name,
            each.zone,
            ago(each.created_at, now),
            "?" if each.price is None else f"{each.price:.2f}",
            each.cluster_uid,
            each.words,
        )
        for each in these
    ]
    return table(_HEADS, rows)


def _cost(these: Sequence[Leftover]) -> str:
    known = [each.price for each in these if each.price is not None]
    unknown = len(these) - len(known)
    if not known:
        return "no price is known of it"
    from iris.domain.prices import LISTED_ON

    more = f", and {unknown} of unknown price" if unknown else ""
    return f"{sum(known):.2f} USD an hour{more} (list prices of {LISTED_ON})"
