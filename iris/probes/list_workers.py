"""Which workers are there, and how are they?"""

from __future__ import annotations

from iris.domain.views import WorkerView
from iris.session import LOOK, Session


def ask(session: Session) -> tuple[WorkerView, ...]:
    """Every worker of every slice."""
    with session.controller(LOOK) as client:
        return client.workers()
