"""Google's registries as a VM reaches them: a look into the loopback registry.

Whoever pulls shows a token of this emulator, as at Artifact Registry; faults that are
planned for pulls strike here.
"""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from iris.emulator.compute.catalogue import ZONES

USER = "oauth2accesstoken"
ADDRESS, PORT = "127.0.0.2", 80  # where a VM finds them
TIMEOUT = 60.0  # seconds
_PASSED_ON = ("Content-Type", "Content-Length", "Docker-Content-Digest", "Etag")
_ASKED = ("Accept", "Range", "If-None-Match")


def registry_names() -> tuple[str, ...]:
    """The registries of Google Cloud, by the names that images carry."""
    regions = sorted({zone.rpartition("-")[0] for zone in ZONES})
    parts = [*regions, "us", "europe", "asia"]
    old = ("gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io")
    return (*(f"{part}-docker.pkg.dev" for part in parts), *old)


class Pulls:
    """One VM's way to the registry."""

    def __init__(
        self,
        listener: socket.socket,
        registry: str,
        may_pull: Callable[[str], bool],  # a token
        denied: Callable[[str], str],  # an image: why not, empty if it may be had
    ) -> None:
        self.registry = registry
        self.may_pull = may_pull
        self.denied = denied
        answers = type("Answers", (_Answers,), {"ours": self})
        self._server = _Server(listener, answers)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="pulls", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, answers: type[Any]) -> None:
        super().__init__((ADDRESS, PORT), answers, bind_and_activate=False)
        self.socket.close()
        self.socket = listener  # it listens in the VM's network already

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hung up did not want the answer."""


class _Answers(BaseHTTPRequestHandler):
    ours: ClassVar[Pulls]
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        """Is it there?"""
        self._answer("HEAD")

    def do_GET(self) -> None:
        """A manifest or a layer."""
        self._answer("GET")

    def _answer(self, method: str) -> None:
        if not self.ours.may_pull(_token_of(self.headers.get("Authorization", ""))):
            return self._refuse(401, "UNAUTHORIZED", "a token of the VM is needed")
        image = self.path.removeprefix("/v2/").partition("/manifests/")[0]
        # engines ask by HEAD first, and go on to ask by GET whatever that says
        is_pull = method == "GET" and "/manifests/" in self.path
        if is_pull and (why := self.ours.denied(image)):
            is_denied = "denied" in why
            code = "DENIED" if is_denied else "UNAVAILABLE"
            return self._refuse(403 if is_denied else 503, code, why)
        asked = {k: self.headers[k] for k in _ASKED if k in self.headers}
        try:
            with _answer_of(self.ours.registry, method, self.path, asked) as said:
                self._pass_on(method, said)
        except (OSError, http.client.HTTPException) as error:
            self._refuse(502, "UNAVAILABLE", f"the registry does not answer: {error}")

    def _pass_on(self, method: str, said: http.client.HTTPResponse) -> None:
        self.send_response(said.status)
        for name in _PASSED_ON:
            if (value := said.getheader(name)) is not None:
                self.send_header(name, value)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.end_headers()
        if method == "GET":
            shutil.copyfileobj(said, self.wfile)

    def _refuse(self, status: int, code: str, words: str) -> None:
        body = json.dumps({"errors": [{"code": code, "message": words}]}).encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="Google Cloud"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _answer_of(
    registry: str, method: str, path: str, headers: dict[str, str]
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(registry, timeout=TIMEOUT)
    connection.request(method, path, headers=headers | {"Connection": "close"})
    return connection.getresponse()  # closes the connection when it is closed


def _token_of(authorization: str) -> str:
    """The password of Docker's Basic credentials, where the user is the right one."""
    kind, _, words = authorization.partition(" ")
    try:
        user, _, token = base64.b64decode(words).decode().partition(":")
    except (ValueError, UnicodeDecodeError):
        return ""
    return token if kind.lower() == "basic" and user == USER else ""
