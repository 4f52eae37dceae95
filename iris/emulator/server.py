"""HTTP for the emulator: a thread for each call, as calls wait for minutes."""

from __future__ import annotations

import socket
import threading
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from iris.errors import PortTaken

_ADDRESS = "127.0.0.1"
_WAITING = 128  # connections that are not taken yet


class _Quiet(WSGIRequestHandler):
    """Closes each connection after its answer, and writes no line for it."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_request(self, *_: Any, **__: Any) -> None:
        """Nothing: the ledger and the log of VMs say what happened."""


class HttpServer:
    """Serves an application on loopback."""

    def __init__(self, app: Any, port: int) -> None:
        # werkzeug would print lines of its own about a port that is taken
        with _listen(port) as listener:
            self._server: BaseWSGIServer = make_server(
                _ADDRESS,
                port,
                app,
                threaded=True,
                request_handler=_Quiet,
                fd=listener.fileno(),
            )
        self.port: int = self._server.port
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="http", daemon=True
        )

    def serve_with(self, app: Any) -> None:
        """Another application, before the first answer."""
        self._server.app = app

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._server.server_close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_ADDRESS, port))
        listener.listen(_WAITING)
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"cannot listen on {_ADDRESS}:{port}: {error.strerror}",
            hint="Name another: `--port N`, or none for a free one.",
        ) from error
    return listener
