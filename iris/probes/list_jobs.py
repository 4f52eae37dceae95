"""Which jobs are there, and how do they stand?"""

from __future__ import annotations

from iris.domain.views import JobView
from iris.session import LOOK, Session


def ask(session: Session, *, limit: int = 50) -> tuple[JobView, ...]:
    """The newest jobs."""
    with session.controller(LOOK) as client:
        return client.jobs(limit=limit)
