"""The WSGI server: waitress, in one thread of this process and a fixed set of others.

Why this one: docs/decisions/0005-wsgi-server.md.
"""

from __future__ import annotations

import errno
import logging
import resource
import socket
import threading
from typing import Any

from waitress import wasyncore
from waitress.server import create_server
from waitress.task import ThreadedTaskDispatcher

from iris.controller.places import THREADS
from iris.errors import PortTaken

MOST_CONNECTIONS = 4096  # a thousand workers, and people
_OTHER_FILES = 256  # open files that are no connections
MOST_BODY_BYTES = 256 << 20  # larger ones are cut off before a route is looked at
_PATIENCE = 5.0  # seconds for requests under way when it stops


class HttpServer:
    """Answers on a listening socket once started; the socket is then its own."""

    def __init__(self, app: Any, listener: socket.socket) -> None:
        self._socket = listener
        # a queue that grows for a moment is no event for an operator
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._map: dict[int, Any] = {}
        self._threads = ThreadedTaskDispatcher()
        self._server = create_server(
            app,
            map=self._map,
            _dispatcher=self._threads,
            sockets=[self._socket],
            connection_limit=_most_connections(),
            max_request_body_size=MOST_BODY_BYTES,
            channel_request_lookahead=1,  # a client that goes away is noticed
            asyncore_use_poll=True,
            ident="iris",
            expose_tracebacks=False,
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

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


def url_of(listener: socket.socket) -> str:
    """Where a socket listens, for those who call."""
    address, port = listener.getsockname()
    return f"http://{address}:{port}"


def listen(address: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises PortTaken."""
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


def _most_connections() -> int:
    """As many as the process may have files; more wait in the system's queue."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(min(files - _OTHER_FILES, MOST_CONNECTIONS), 64)
