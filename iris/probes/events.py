"""What happened lately, and why?"""

from __future__ import annotations

from collections.abc import Iterator

from iris.domain.events import Event
from iris.session import LOOK, Session


def ask(
    session: Session, *, limit: int = 50, job: str = "", slice_name: str = ""
) -> tuple[Event, ...]:
    """The newest events, the oldest of them first."""
    with session.controller(LOOK) as client:
        return client.events(
            job=job or None, slice_name=slice_name or None, newest=limit
        )


def follow(
    session: Session, *, limit: int = 50, job: str = "", slice_name: str = ""
) -> Iterator[Event]:
    """The newest events, then each as it happens."""
    of_job, of_slice = job or None, slice_name or None
    with session.controller() as client:
        newest = client.events(job=of_job, slice_name=of_slice, newest=limit)
        yield from newest
        after = newest[-1].seq if newest else 0
        yield from client.follow_events(after, of_job, slice_name=of_slice)
