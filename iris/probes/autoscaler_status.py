"""What does the autoscaler make of each scale group, and of who waits?"""

from __future__ import annotations

from iris.domain.views import AutoscalerView
from iris.session import LOOK, Session


def ask(session: Session) -> AutoscalerView:
    """Each group with its numbers and its reason."""
    with session.controller(LOOK) as client:
        return client.autoscaler()
