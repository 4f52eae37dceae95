"""A metadata server as a VM sees it: values that a test changes while it looks."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BASE = "/computeMetadata/v1/instance/"


class FakeMetadata:
    """Values below `instance/`, by path; `away` answers of 503 come first.

    Without `holds` it answers at once who would wait for a change.
    """

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self.away = 0
        self.holds = True  # what is asked to wait for a change
        self.asked: Counter[str] = Counter()
        self.held: Counter[str] = Counter()  # of these, who was made to wait
        self.changed = threading.Condition()
        self._is_closed = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _answers_of(self))
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        ).start()

    def set(self, path: str, value: str) -> None:
        with self.changed:
            self.values[path] = value
            self.changed.notify_all()

    def set_untold(self, path: str, value: str) -> None:
        """Only who asks anew hears of it, not who waits for a change."""
        with self.changed:
            self.values[path] = value

    def close(self) -> None:
        with self.changed:
            self._is_closed = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, str]:
        self.asked[path] += 1
        if self.away:
            self.away -= 1
            return 503, "unavailable"
        if "wait_for_change" in query and self.holds:
            last, most = query["last_etag"][0], float(query["timeout_sec"][0])
            with self.changed:
                self.held[path] += 1
                self.changed.wait_for(
                    lambda: self._is_closed or etag(self.values[path]) != last, most
                )
        value = self.values.get(path)
        return (404, "missing") if value is None else (200, value)


def etag(value: str) -> str:
    return f"e{abs(hash(value))}"


def surroundings(**changes: str) -> dict[str, str]:
    """What worker 1 of a slice of 4 VMs is told."""
    told = {
        "iris-cluster": "test",
        "iris-uid": "cluster-uid",
        "iris-slice": "slice",
        "iris-slice-uid": "s-1",
        "iris-vms": "4",
        "iris-resources": '{"cpus":4}',
        "iris-runtime": "process",
        "iris-image": "registry.example/iris-worker:1",
        "iris-controller": "http://127.0.0.1:1",
        "agent-worker-number": "1",
        **{f"iris-join-token-{index}": f"join-{index}" for index in range(4)},
    }
    told |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {
        **{f"attributes/{name}": value for name, value in told.items()},
        "network-interfaces/0/ip": "127.0.0.1",
        "preempted": "FALSE",
        "maintenance-event": "NONE",
    }


def _answers_of(ours: FakeMetadata) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            assert self.headers["Metadata-Flavor"] == "Google"
            path = url.path.removeprefix(BASE)
            status, value = ours.answer(path, parse_qs(url.query))
            self.send_response(status)
            self.send_header("ETag", etag(value))
            self.send_header("Content-Length", str(len(value)))
            self.end_headers()
            self.wfile.write(value.encode())

    return Answers
