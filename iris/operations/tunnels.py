"""A way to the controller for a person's own programs."""

from __future__ import annotations

from collections.abc import Iterator

from iris.errors import Unreachable
from iris.probes.tunnel import Tunnelled, open_tunnel
from iris.session import Session

__all__ = ["Tunnelled", "hold_tunnel", "open_tunnel"]


def hold_tunnel(session: Session) -> Iterator[str]:
    """Keep it, and say what becomes of it. Raises Unreachable once it has ended."""
    was_up = True
    for state in session.reach.tunnel.hold():
        if state.is_up and not was_up:
            yield "the controller answers again"
        elif was_up and not state.is_up:
            yield f"cut: {state.problem.detail if state.problem else 'for no reason'}"
        was_up = state.is_up
    raise Unreachable(
        f"the tunnel of cluster {session.cluster!r} has ended",
        hint="Was the cluster stopped meanwhile? `inv tunnel` opens another.",
    )
