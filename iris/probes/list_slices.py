"""Which slices are there, in which state, and what happens to each next?"""

from __future__ import annotations

from iris.domain.views import SliceView
from iris.session import LOOK, Session


def ask(session: Session) -> tuple[SliceView, ...]:
    """Every slice that is not deleted."""
    with session.controller(LOOK) as client:
        return client.slices()
