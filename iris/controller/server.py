"""The WSGI server: waitress, in one thread of this process and a fixed set of others.

Why this one: docs/decisions/0002-wsgi-server.md.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
from typing import Any

from waitress import wasyncore
from waitress.server import create_server
from waitress.task import ThreadedTaskDispatcher

from iris.controller.places import THREADS
from iris.errors import PortTaken

MOST_CONNECTIONS = 4096  # a thousand workers, and people
MOST_BODY_BYTES = 256 << 20  # larger ones are cut off before a route is looked at
_PATIENCE = 5.0  # seconds for requests under way when it stops


class HttpServer:
    """Listens from its making on; answers once started."""

    def __init__(self, app: Any, address: str, port: int) -> None:
        self._socket = _listen(address, port)
        self.address: str = self._socket.getsockname()[0]
        self.port: int = self._socket.getsockname()[1]
        # a queue that grows for a moment is no event for an operator
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._map: dict[int, Any] = {}
        self._threads = ThreadedTaskDispatcher()
        self._server = create_server(
            app,
            map=self._map,
            _dispatcher=self._threads,
            sockets=[self._socket],
            connection_limit=MOST_CONNECTIONS,
            max_request_body_size=MOST_BODY_BYTES,
            channel_request_lookahead=1,  # a client that goes away is noticed
            asyncore_use_poll=True,
            ident="iris",
            expose_tracebacks=False,
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.address}:{self.port}"

    def start(self) -> None:
        """Answer requests."""
        self._threads.set_thread_count(THREADS)
        self._thread.start()

    def stop(self) -> None:
        """Take no new requests, let those under way end, close every connection."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._server.pull_trigger()
            self._thread.join(_PATIENCE)
        self._threads.shutdown(cancel_pending=True, timeout=_PATIENCE)
        wasyncore.close_all(self._map, ignore_all=True)
        self._socket.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)


def _listen(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        because = "something else listens there" if taken else error.strerror
        raise PortTaken(
            f"cannot listen on {address}:{port}: {because}",
            hint="Set another `controller/port` in the cluster file, or 0 for any.",
        ) from error
    return listener
