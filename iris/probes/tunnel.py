"""Where does the controller answer on this machine?"""

from __future__ import annotations

import threading

import msgspec

from iris.errors import Late, RateLimited, Unavailable, Unknown, Unreachable
from iris.session import LOOK, Session

RETRY_INTERVAL = 0.5  # seconds between tries
_NEVER = threading.Event()
_PASSING = (Unreachable, Late, Unavailable, RateLimited, Unknown)


class Tunnelled(msgspec.Struct, frozen=True):
    """Where the controller answers on this machine, and through what."""

    cluster: str
    cluster_uid: str
    url: str
    is_direct: bool  # it listens on this machine: there is no tunnel between
    pid: int = 0  # of the tunnel's process
    leads_to: str = ""


def ask(session: Session) -> Tunnelled:
    """Its URL, through a tunnel that is opened where there is none."""
    return open_tunnel(session, LOOK)


def open_tunnel(session: Session, wait: float) -> Tunnelled:
    """The tunnel, once it leads to the right controller. Raises Late."""
    until = session.clock.now() + wait
    while True:
        try:
            return _described(session, session.controller_url())
        except _PASSING as error:
            if session.clock.now() >= until:
                raise Late(
                    f"no way to the controller of cluster {session.cluster!r} within "
                    f"{wait:g} s: {error}",
                    hint=error.hint or "`inv probe.ssh-status` says how far SSH gets.",
                ) from error
        session.clock.wait(_NEVER, RETRY_INTERVAL)


def _described(session: Session, url: str) -> Tunnelled:
    state = session.reach.tunnel.state() if session.reach.has_ssh else None
    if state is None:
        return Tunnelled(session.cluster, session.cluster_uid, url, is_direct=True)
    to = state.destination
    return Tunnelled(
        cluster=session.cluster,
        cluster_uid=to.cluster_uid,
        url=url,
        is_direct=False,
        pid=state.pid,
        leads_to=f"{to.address}:{to.port} by {to.target.user}@{to.target.address}",
    )
