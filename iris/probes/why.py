"""Why does a job stand where it stands, what happens next, what would unblock it?"""

from __future__ import annotations

from iris.domain.views import Explanation
from iris.session import LOOK, Session


def ask(session: Session, job: str) -> Explanation:
    """By the very rules that the scheduler obeys."""
    with session.controller(LOOK) as client:
        return client.why(job)
