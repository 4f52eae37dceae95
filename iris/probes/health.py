"""Does the controller answer, and how late is each of its loops?"""

from __future__ import annotations

from iris.domain.views import Health
from iris.session import Session


def ask(session: Session) -> Health:
    """Who answers, and how it does. Raises Unreachable."""
    with session.controller(patience=5.0) as client:
        return client.health()
