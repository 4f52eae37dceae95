"""A cluster of this machine behind SSH, for as long as a test needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from iris.config.cloud import SshConfig
from iris.remote.keys import ensure_key, public_file
from iris.session import Session
from tests.support.eventually import eventually
from tests.support.ssh_cluster import behind_ssh
from tests.support.ssh_server import SlowWire, SshServer


@contextmanager
def far_away(cluster: Any, round_trip: float = 0.0) -> Iterator[tuple[Session, Any]]:
    """The cluster behind SSH, and the server that can be cut."""
    session = cluster.session
    key = ensure_key(session.reach.folder, SshConfig())
    server = SshServer(public_file(key))
    wire = SlowWire(server.port, round_trip) if round_trip else None
    made = behind_ssh(session, wire.port if wire else server.port)
    try:
        yield made, server
    finally:
        made.close_tunnel()
        eventually(lambda: made.reach.tunnel.state() is None)
        if wire is not None:
            wire.close()
        server.close()
