"""A small HTTP server of a test: it answers as the test says, and remembers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import ClassVar, NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Asked(NamedTuple):
    """One request that arrived."""

    method: str
    path: str
    query: dict[str, str]
    token: str
    body: bytes


class Said(NamedTuple):
    """One answer; pieces are sent one by one, and then the connection is cut."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = MappingProxyType({})
    pieces: Iterable[bytes] | None = None


Answer = Callable[[Asked], Said]


class HttpServer:
    """Real HTTP on loopback; `port` 0 takes a free one."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.connections = 0
        answers = type("Answers", (_Answers,), {"ours": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), answers)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> HttpServer:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Answers(BaseHTTPRequestHandler):
    ours: ClassVar[HttpServer]
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.ours.connections += 1
        super().setup()

    def log_message(self, *words: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        asked = Asked(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query)),
            self.headers.get("Authorization", ""),
            self.rfile.read(int(self.headers.get("Content-Length", 0))),
        )
        self.ours.asked.append(asked)
        said = self.ours.answer(asked)
        self.send_response(said.status)
        # by this number a client knows a controller
        for name, value in ({"Iris-Seq": "7"} | dict(said.headers)).items():
            self.send_header(name, value)
        if said.pieces is None:
            self._finish(said.body)
        else:
            self._stream(said.pieces)

    def _finish(self, body: bytes) -> None:
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, pieces: Iterable[bytes]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.close_connection = True  # in the middle: the last chunk never comes
