"""What happened lately, and why?"""

from __future__ import annotations

from collections.abc import Iterator

from iris.domain.events import Event
from iris.session import Session


def ask(
    session: Session, limit: int = 50, job: str = "", slice_name: str = ""
) -> tuple[Event, ...]:
    """The newest events, the oldest of them first."""
    with session.controller() as client:
        return client.events(
            job=job or None, slice_name=slice_name or None, newest=limit
        )


def follow(session: Session, job: str = "") -> Iterator[Event]:
    """Each event as it happens."""
    with session.controller() as client:
        newest = client.events(newest=1)
        after = newest[-1].seq if newest else 0
        yield from client.follow_events(after, job or None)
