"""Is there a controller of this cluster's name, and where?"""

from __future__ import annotations

from iris.providers.contract import ControllerMachine
from iris.session import Session


def ask(session: Session) -> tuple[ControllerMachine, ...]:
    """Every controller of the cluster's name, whatever its uid."""
    return session.provider.list_controllers()
