"""One poisoned item must not stop a turn: plan and commit around it.

The usual turn costs nothing more. Only when one breaks is each item tried alone,
those that break are named in the log, and the turn goes on without them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from iris.planning.snapshot import Snapshot

log = logging.getLogger(__name__)

Plan = TypeVar("Plan", bound=msgspec.Struct)


def plan_around(
    plan: Callable[[Snapshot], Plan], snapshot: Snapshot, field: str
) -> Plan:
    """`plan(snapshot)`, without those of the snapshot's `field` that break it."""
    try:
        return plan(snapshot)
    except Exception as error:
        # which item it was is found below; its words go to the log
        log.warning("planning broke field=%s error=%r", field, error)
    items = getattr(snapshot, field)
    sound = tuple(item for item in items if _is_sound(plan, snapshot, field, item))
    return plan(replace(snapshot, **{field: sound}))


def commit_around(
    commit: Callable[[Plan], object], plan: Plan, fields: tuple[str, ...]
) -> None:
    """`commit(plan)`, or each item of the plan's `fields` alone if that breaks."""
    try:
        commit(plan)
    except Exception as error:
        # nothing of it was committed: a transition is whole
        log.warning("commit broke plan=%s error=%r", type(plan).__name__, error)
    else:
        return
    for field in fields:
        for item in getattr(plan, field):
            others: dict[str, object] = dict.fromkeys(fields, ())
            _commit_alone(commit, replace(plan, **others | {field: (item,)}), item)


def _is_sound(
    plan: Callable[[Snapshot], Plan], snapshot: Snapshot, field: str, item: object
) -> bool:
    try:
        plan(replace(snapshot, **{field: (item,)}))
    except Exception:
        # the others go on without it
        log.exception("left out of the plan field=%s item=%.500r", field, item)
        return False
    return True


def _commit_alone(commit: Callable[[Plan], object], plan: Plan, item: object) -> None:
    try:
        commit(plan)
    except Exception:
        # the others go on without it
        log.exception("left out of the commit item=%.500r", item)
