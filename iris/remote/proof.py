"""Who answers at the far end: a tunnel is ready once the right controller does."""

from __future__ import annotations

from http.client import HTTPException, HTTPResponse
from typing import Any

from iris import wire
from iris.domain.views import Health
from iris.errors import Unreachable, UsageError
from iris.remote.target import Destination

_REQUEST = "GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n"


class LineDead(Exception):
    """No answer came, and nothing says why: the way there may be cut."""


def prove(plug: Any, destination: Destination) -> None:
    """Ask who answers on a fresh connection.

    Raises Unreachable if it is not who should, LineDead if nobody said a word.
    """
    where = f"{destination.address}:{destination.port}"
    try:
        plug.sendall(_REQUEST.format(where).encode())
        answer = HTTPResponse(plug)
        answer.begin()
        health = wire.decode(answer.read(), Health)
    except (TimeoutError, EOFError, ConnectionError) as error:
        raise LineDead(f"no answer from {where}") from error
    except (OSError, HTTPException, UsageError) as error:
        words = str(error) or type(error).__name__
        raise Unreachable(f"what listens at {where} is no controller: {words}") from (
            error
        )
    wanted = (destination.cluster, destination.cluster_uid)
    if (health.cluster, health.cluster_uid) != wanted:
        raise Unreachable(
            f"at {where} answers cluster {health.cluster!r} ({health.cluster_uid}), "
            f"not {wanted[0]!r} ({wanted[1]})"
        )
