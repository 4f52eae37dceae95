"""The workers of hollow slices: they speak the heartbeat protocol and run nothing.

    python -m benchmarks.hollow_agents FOLDER

A task that is given to one has succeeded by its next heartbeat, which leaves at once.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import resource
import selectors
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from benchmarks.hollow import read_request
from iris import wire
from iris.domain.jobs import EndCause
from iris.domain.protocol import (
    AttemptReport,
    Heartbeat,
    HeartbeatAnswer,
    Registered,
    Registration,
)
from iris.domain.states import AttemptState
from iris.providers.contract import SliceRequest

T = TypeVar("T")

THREADS = 8  # that speak; a heartbeat takes some ms
LOOK = 0.2  # seconds between looks for new slices
ADDRESS = "127.0.0.1"


class Worker:
    """One hollow worker; one of its heartbeats is in flight at a time."""

    def __init__(self, registered: Registered, nudges: socket.socket) -> None:
        self.uid, self.token = registered.worker_uid, registered.token
        self.nudges = nudges
        self.due_at = 0.0
        self.is_queued = False
        self._seq = 0
        self._ended: set[str] = set()

    def beat(self, line: Line) -> None:
        """One heartbeat; sets when the next is due."""
        self._seq += 1
        heartbeat = Heartbeat(
            worker_uid=self.uid,
            boot_id=self.uid,
            seq=self._seq,
            nudge_port=self.nudges.getsockname()[1],
            attempts=tuple(map(_report, self._ended)),
        )
        path = f"/v1/workers/{self.uid}/heartbeat"
        answer = line.post(path, heartbeat, self.token, HeartbeatAnswer)
        wanted = {each.uid for each in answer.attempts}
        fresh = wanted - self._ended
        self._ended = wanted
        self.due_at = time.monotonic() + (0.0 if fresh else answer.interval)


class Line:
    """One connection to the controller."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=60
        )

    def post(self, path: str, body: msgspec.Struct, token: str, kind: type[T]) -> T:
        """Raises OSError or HTTPException."""
        headers = {"Authorization": f"Bearer {token}"}
        headers["Content-Type"] = "application/json"
        self._connection.request("POST", path, wire.encode(body), headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status >= 400:
            raise http.client.HTTPException(content.decode(errors="replace"))
        return wire.decode(content, kind)


class Crowd:
    """All of them, and the threads that speak for them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[Path] = set()
        self._workers: list[Worker] = []
        self._due: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._nudged = selectors.DefaultSelector()
        self._url = ""

    def run(self) -> None:
        """Until this process is ended."""
        looked_at = 0.0
        while True:
            for key, _ in self._nudged.select(LOOK / 10):
                with contextlib.suppress(BlockingIOError):
                    key.fileobj.recv(16)  # type: ignore[union-attr]  # a socket
                key.data.due_at = 0.0
            now = time.monotonic()
            for worker in self._workers:
                if worker.due_at <= now and not worker.is_queued:
                    worker.is_queued = True
                    self._due.put(worker)
            if now > looked_at + LOOK:
                self._look_for_slices()
                looked_at = time.monotonic()

    def _look_for_slices(self) -> None:
        for file in set(self._folder.glob("*.json")) - self._known:
            self._known.add(file)
            request = read_request(file)
            if not self._url:
                self._url = request.controller_url
                for _ in range(THREADS):
                    threading.Thread(target=self._speak, daemon=True).start()
            for index in range(len(request.join_tokens)):
                self._join(request, index)

    def _join(self, request: SliceRequest, index: int) -> None:
        name, boot = request.name, f"{request.name}/{index}"
        words = Registration(name, request.uid, index, boot, ADDRESS, "hollow")
        token = request.join_tokens[index]
        line = Line(self._url)
        registered = line.post("/v1/workers:register", words, token, Registered)
        nudges = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        nudges.bind((ADDRESS, 0))
        nudges.setblocking(False)
        worker = Worker(registered, nudges)
        self._nudged.register(nudges, selectors.EVENT_READ, worker)
        self._workers.append(worker)

    def _speak(self) -> None:
        line = Line(self._url)
        while True:
            worker = self._due.get()
            worker.due_at = time.monotonic() + 60.0  # a nudge meanwhile comes before
            try:
                worker.beat(line)
            except (OSError, http.client.HTTPException) as error:
                print(f"{worker.uid}: {error}", file=sys.stderr)
                line = Line(self._url)
                worker.due_at = time.monotonic() + 1.0
            worker.is_queued = False


def _report(uid: str) -> AttemptReport:
    return AttemptReport(
        uid, AttemptState.SUCCEEDED, exit_code=0, cause=EndCause.EXITED
    )


if __name__ == "__main__":
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    Crowd(Path(sys.argv[1])).run()
