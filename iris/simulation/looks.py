"""What the simulation reads from State, and how it writes events down."""

from __future__ import annotations

from random import Random

from iris.controller.state import State
from iris.domain.events import Event
from iris.domain.states import SliceState

# Seconds that what runs has from its signal on; None lets it end by itself.
DEADLINES = (None, 0.0, 60.0, 600.0, 3600.0)


def drain_some(state: State, chance: Random) -> str:
    """An operator drains one worker by chance; returns its uid."""
    with state.reading() as tables:
        uids = sorted(tables.workers)
    if not uids:
        return ""
    uid = chance.choice(uids)
    state.drain_worker(uid, "the operator", chance.choice(DEADLINES))
    return uid


def find_stuck(state: State, now: float) -> list[str]:
    """The slices whose deletion takes longer than their group allows."""
    with state.reading() as tables:
        deleting = [
            each for each in tables.slices.values() if each.state is SliceState.DELETING
        ]
        return [
            each.name
            for each in deleting
            if now > each.deleting_at + tables.groups[each.group].delete_timeout
        ]


def event_words(event: Event) -> str:
    """An event as one line of the trace."""
    parts = [f"{event.seq} {event.kind}"]
    if event.job:
        parts.append(f"{event.job}[{event.task}]x{event.count}")
    parts += [each for each in (event.attempt_uid, event.slice_name) if each]
    if event.worker_uid:
        parts.append(event.worker_uid)
    if event.because:
        parts.append(f"because {event.because}")
    return " ".join(parts)
