"""HTTP to the controller: one connection a thread, kept alive, found again."""

from __future__ import annotations

import http.client
import socket
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from iris import wire
from iris.domain.machine import AddressFile, VmMetadata
from iris.domain.views import Health, Problem
from iris.errors import IrisError, Unreachable
from iris.wire import error_from_problem

T = TypeVar("T")

TIMEOUT = 30.0  # seconds for one answer


class Link:
    """Speaks to the controller of this VM's cluster, wherever it is now."""

    def __init__(self, metadata: VmMetadata) -> None:
        self._metadata = metadata
        self._url = ""
        self._connection: http.client.HTTPConnection | None = None
        self.token = metadata.join_token

    @property
    def url(self) -> str:
        """Where the controller answered last."""
        return self._url or self._metadata.controller_url

    def post(self, path: str, body: msgspec.Struct, answer: type[T]) -> T:
        """Raises Unreachable, or what the controller said."""
        return wire.decode(self._ask("POST", path, wire.encode(body)), answer)

    def fetch(self, path: str) -> bytes:
        """The bytes of an answer. Raises Unreachable, or what the controller said."""
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        try:
            return self._once(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            self._close()
            raise Unreachable(f"{self.url}: {error}") from error

    def _once(self, method: str, path: str, body: bytes | None) -> bytes:
        connection = self._connection or self._connect()
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status >= 400:
            raise _problem(response.status, content)
        return content

    def _connect(self) -> http.client.HTTPConnection:
        """Look the address up anew, and make sure who answers there."""
        self._url = _address(self._metadata)
        parts = urlsplit(self._url)
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=TIMEOUT
        )
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.request("GET", "/health")
        health = wire.decode(connection.getresponse().read(), Health)
        if health.cluster_uid != self._metadata.cluster_uid:
            connection.close()
            raise OSError(f"cluster {health.cluster_uid} answers there, not ours")
        self._connection = connection
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _address(metadata: VmMetadata) -> str:
    """The controller's address: its own file where there is one."""
    if metadata.controller_file:
        with open(metadata.controller_file, "rb") as file:
            return msgspec.json.decode(file.read(), type=AddressFile).url
    return metadata.controller_url


def _problem(status: int, content: bytes) -> IrisError:
    try:
        return error_from_problem(msgspec.json.decode(content, type=Problem))
    except msgspec.MsgspecError:
        return Unreachable(f"status {status}: {content[:200]!r}")
