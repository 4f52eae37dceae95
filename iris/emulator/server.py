"""HTTP for the emulator: a thread for each connection, as calls wait for minutes."""

from __future__ import annotations

import socket
import threading
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from iris.errors import PortTaken


class _Quiet(WSGIRequestHandler):
    """Keeps connections, and writes no line for each request."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_request(self, *_: Any, **__: Any) -> None:
        """Nothing: the ledger and the log of VMs say what happened."""


class HttpServer:
    """Serves an application on loopback."""

    def __init__(self, app: Any, port: int) -> None:
        try:
            self._server: BaseWSGIServer = make_server(
                "127.0.0.1", port, app, threaded=True, request_handler=_Quiet
            )
        except (OSError, SystemExit) as error:
            raise PortTaken(
                f"cannot listen on 127.0.0.1:{port}: something else does",
                hint="Name another: `--port N`, or none for a free one.",
            ) from error
        self.port: int = self._server.server_port
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
