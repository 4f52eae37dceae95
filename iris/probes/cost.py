"""What does the cluster cost by list prices, and whose work was it?"""

from __future__ import annotations

from iris.client.calls import MOST_ITEMS
from iris.domain.costs import CostView
from iris.errors import UsageError
from iris.probes._since import seconds_of
from iris.session import LOOK, Session


def ask(session: Session, *, since: str = "", top: int = 20) -> CostView:
    """The dearest slices and jobs, and every user: of all that is kept, or lately."""
    if not 1 <= top <= MOST_ITEMS:
        raise UsageError(f"--top: expected 1 to {MOST_ITEMS}, got {top}")
    within = seconds_of(since) if since else 0.0
    with session.controller(LOOK) as client:
        return client.costs(within, top)
