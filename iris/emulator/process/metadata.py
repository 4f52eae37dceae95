"""The metadata server of one VM, at the VM's own address."""

from __future__ import annotations

import json
import os
import selectors
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qs, urlsplit

from iris.emulator.process.tree import (
    Tree,
    camel_of,
    etag_of,
    find,
    flat_of,
    listing_of,
)

PORT = 8775
BASE = "/computeMetadata/v1"
LONGEST_WAIT = 3600.0  # seconds that `wait_for_change` holds without a limit
_FORBIDDEN = (
    "<!DOCTYPE html><html><title>Error 403 (Forbidden)</title><p>Your client does not "
    "have permission to get URL <code>{}</code> from this server. Missing "
    "Metadata-Flavor:Google header.</html>"
)
_MISSING = (
    "<!DOCTYPE html><html><title>Error 404 (Not Found)</title><p>The requested URL "
    "<code>{}</code> was not found on this server.</html>"
)


class Showing(Protocol):
    """The VM, as its metadata server asks it."""

    def tree(self) -> Tree:
        """All that is shown."""

    def minted(self, scopes: tuple[str, ...]) -> dict[str, Any] | None:
        """A token of its service account, None where it has none."""

    def is_away(self) -> bool:
        """Is the server unavailable just now?"""

    def pulled(self, image: str) -> str:
        """Why an image cannot be pulled, empty if it can."""

    def write_guest(self, space: str, key: str, value: str) -> bool:
        """Keep a guest attribute; False where the VM may have none."""


class MetadataServer:
    """Shows one VM's tree; whoever waits for a change is answered at `changed`."""

    def __init__(
        self, address: str, vm: Showing, listener: socket.socket | None = None
    ) -> None:
        """It answers at an address of this machine, or where `listener` listens."""
        self.vm = vm
        self.condition = threading.Condition()
        self.is_closed = False
        answers = type("Answers", (_Answers,), {"ours": self})
        self._server = _Server((address, PORT), answers, listener)
        self._thread = threading.Thread(
            target=self._server.serve_until_woken, name="metadata", daemon=True
        )
        self._thread.start()

    def changed(self) -> None:
        """Something of the tree is new."""
        with self.condition:
            self.condition.notify_all()

    def close(self) -> None:
        """Answer nobody any more."""
        self.is_closed = True
        self.changed()
        self._server.wake()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64
    timeout = 0.0  # of handle_request, which is asked only when somebody has come

    def __init__(
        self,
        address: tuple[str, int],
        answers: type[BaseHTTPRequestHandler],
        listener: socket.socket | None,
    ) -> None:
        super().__init__(address, answers, bind_and_activate=listener is None)
        if listener is not None:
            self.socket.close()
            self.socket = listener
        self._woken, self._waker = os.pipe()

    def serve_until_woken(self) -> None:
        """Answer, and cost nothing while nobody asks."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self, selectors.EVENT_READ)
            waiting.register(self._woken, selectors.EVENT_READ)
            while all(key.fd != self._woken for key, _ in waiting.select()):
                self.handle_request()

    def wake(self) -> None:
        """Let it return."""
        os.write(self._waker, b"x")

    def server_close(self) -> None:
        """Give back the port and the pipe."""
        super().server_close()
        os.close(self._woken)
        os.close(self._waker)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hung up did not want the answer."""


class _Answers(BaseHTTPRequestHandler):
    ours: ClassVar[MetadataServer]
    protocol_version = "HTTP/1.1"
    server_version = "Metadata Server for VM"
    sys_version = ""

    def log_message(self, *words: object) -> None:
        """Keep quiet."""

    def do_PUT(self) -> None:
        """A guest attribute."""
        if self._is_foreign():
            return self._say(403, _FORBIDDEN.format(self.path), "text/html")
        length = int(self.headers.get("Content-Length") or 0)
        value = self.rfile.read(length).decode(errors="replace")
        parts = urlsplit(self.path).path.removeprefix(BASE).strip("/").split("/")
        if parts[:2] != ["instance", "guest-attributes"] or len(parts) != 4:
            return self._say(404, _MISSING.format(self.path), "text/html")
        if not self.ours.vm.write_guest(parts[2], parts[3], value):
            return self._say(403, "Guest attributes endpoint access is disabled.")
        self._say(200, "")

    def do_GET(self) -> None:
        """A value, a directory, or the detection ping."""
        url = urlsplit(self.path)
        if url.path == "/emulator/pull":
            image = parse_qs(url.query).get("image", [""])[0]
            return self._say(200, self.ours.vm.pulled(image))
        if url.path in ("/", ""):
            return self._say(200, "computeMetadata/\n")
        if self._is_foreign():
            return self._say(403, _FORBIDDEN.format(url.path), "text/html")
        if self.ours.vm.is_away():
            return self._say(503, "Service Unavailable", "text/html")
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        self._value(url.path, query)

    def _is_foreign(self) -> bool:
        flavor = self.headers.get("Metadata-Flavor", "")
        return flavor.lower() != "google" or "X-Forwarded-For" in self.headers

    def _value(self, path: str, query: dict[str, str]) -> None:
        inner = path.removeprefix(BASE)
        if inner == path or _is_token(inner):
            return self._token(path, query)
        value = self._awaited(inner, query)
        if value is None:
            return self._say(404, _MISSING.format(path), "text/html")
        etag = etag_of(value)
        wants_json = query.get("alt") == "json"
        if not isinstance(value, dict):
            text = json.dumps(value) if wants_json else value
            return self._say(200, text, _kind(is_json=wants_json), etag)
        if query.get("recursive", "").lower() == "true":
            if query.get("alt") == "text":
                return self._say(200, flat_of(value), _kind(False), etag)
            key = inner.rstrip("/").rpartition("/")[2]
            return self._say(200, json.dumps(camel_of(value, key)), _kind(True), etag)
        if not path.endswith("/"):
            return self._moved(f"{path}/")
        self._say(200, listing_of(value), _kind(False), etag)

    def _awaited(self, inner: str, query: dict[str, str]) -> Any:
        """The value, once it is another one where that is asked for."""
        ours = self.ours
        value = find(ours.vm.tree(), inner)
        if query.get("wait_for_change", "").lower() != "true":
            return value
        last = query.get("last_etag") or etag_of(value)
        until = time.monotonic() + float(query.get("timeout_sec") or LONGEST_WAIT)
        with ours.condition:
            while etag_of(value) == last and not ours.is_closed:
                left = until - time.monotonic()
                if left <= 0:
                    break
                ours.condition.wait(min(left, 5.0))
                value = find(ours.vm.tree(), inner)
        return value

    def _token(self, path: str, query: dict[str, str]) -> None:
        inner = path.removeprefix(BASE).rstrip("/")
        account = find(self.ours.vm.tree(), inner.removesuffix("/token"))
        if inner != path.rstrip("/") and isinstance(account, dict):
            scopes = tuple(filter(None, query.get("scopes", "").split(",")))
            token = self.ours.vm.minted(scopes)
            if token is not None:
                return self._say(200, json.dumps(token), _kind(True))
        self._say(404, _MISSING.format(path), "text/html")

    def _moved(self, path: str) -> None:
        self.send_response(301)
        self.send_header("Location", path)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _say(
        self, status: int, text: str, kind: str = "application/text", etag: str = ""
    ) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", kind)
        self.send_header("ETag", etag or etag_of(text))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _is_token(inner: str) -> bool:
    words = inner.strip("/").split("/")
    accounts = ["instance", "service-accounts"]
    return words[:2] == accounts and words[3:] == ["token"]


def _kind(is_json: bool) -> str:
    return "application/json" if is_json else "application/text"
