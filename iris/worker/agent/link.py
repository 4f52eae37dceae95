"""HTTP to the controller: one connection a thread, kept alive, found again."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from iris import wire
from iris.domain.machine import VmMetadata
from iris.domain.views import Health, Problem
from iris.errors import IrisError, Unreachable
from iris.wire import error_from_problem
from iris.worker.discovery import controller_url

T = TypeVar("T")

CONNECT_TIMEOUT = 5.0  # seconds
JSON, BYTES = "application/json", "application/octet-stream"
TIMEOUT = 20.0  # seconds for one answer


class Link:
    """Speaks to the controller of this VM's cluster, wherever it is now."""

    def __init__(self, metadata: VmMetadata, token: Callable[[], str]) -> None:
        self._metadata = metadata
        self._token = token
        self._url = ""  # where we spoke to it last
        self._connection: http.client.HTTPConnection | None = None

    @property
    def url(self) -> str:
        """Where the controller was spoken to last."""
        return self._url

    def post(self, path: str, body: msgspec.Struct, answer: type[T]) -> T:
        """Raises Unreachable, or what the controller said."""
        return wire.decode(self._ask("POST", path, wire.encode(body)), answer)

    def put(self, path: str, content: bytes, answer: type[T]) -> T:
        """Raises Unreachable, or what the controller said."""
        return wire.decode(self._ask("PUT", path, content, BYTES), answer)

    def fetch(self, path: str) -> bytes:
        """The bytes of an answer. Raises Unreachable, or what the controller said."""
        return self._ask("GET", path, None)

    def leave(self, url: str) -> None:
        """The controller is at another address now: whoever waits waits no longer.

        For another thread than the one that speaks.
        """
        connection = self._connection
        if connection is not None and url != self._url and connection.sock:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up; the next word looks the controller up anew."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(
        self, method: str, path: str, body: bytes | None, kind: str = JSON
    ) -> bytes:
        is_kept = self._connection is not None
        try:
            connection = self._connection or self._connect()
            return self._once(connection, (method, path, body), kind)
        except (ConnectionError, http.client.NotConnected) as error:
            self.close()
            if is_kept:  # closed while it was idle; all that we say may be repeated
                return self._ask(method, path, body, kind)
            raise Unreachable(f"{self._url}: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(f"{self._url}: {error}") from error

    def _once(
        self,
        connection: http.client.HTTPConnection,
        request: tuple[str, str, bytes | None],
        kind: str,
    ) -> bytes:
        method, path, body = request
        headers = {"Authorization": f"Bearer {self._token()}"}
        if body is not None:
            headers["Content-Type"] = kind
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status >= 400:
            raise _problem(response.status, content)
        return content

    def _connect(self) -> http.client.HTTPConnection:
        """Look the address up anew; our token is for our own cluster only."""
        self._url = controller_url(self._metadata)
        parts = urlsplit(self._url)
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=CONNECT_TIMEOUT
        )
        try:
            self._require_ours(connection)
        except (OSError, http.client.HTTPException, IrisError) as error:
            connection.close()
            raise Unreachable(f"{self._url}: {error}") from error
        self._connection = connection
        return connection

    def _require_ours(self, connection: http.client.HTTPConnection) -> None:
        connection.connect()
        connection.auto_open = 0  # http.client would connect anew, and ask nobody
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.request("GET", "/health")
        health = wire.decode(connection.getresponse().read(), Health)
        if health.cluster_uid != self._metadata.cluster_uid:
            raise Unreachable(f"cluster {health.cluster_uid} answers there, not ours")
        connection.sock.settimeout(TIMEOUT)


def _problem(status: int, content: bytes) -> IrisError:
    try:
        return error_from_problem(msgspec.json.decode(content, type=Problem))
    except msgspec.MsgspecError:
        return Unreachable(f"status {status}: {content[:200]!r}")
