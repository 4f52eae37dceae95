"""A controller that says what a test wants; it keeps the workers' protocol."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import msgspec

from iris import wire
from iris.domain.protocol import (
    AttemptReport,
    AttemptSpec,
    Desired,
    Heartbeat,
    HeartbeatAnswer,
    LogBatch,
    LogBatchAnswer,
    Registered,
)
from iris.domain.resources import Resources
from iris.domain.states import ATTEMPT_ENDED
from iris.domain.views import Health

UID = "cluster-uid"


class FakeController:
    """Hands out wishes, takes reports and output; real HTTP on loopback."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.wanted: dict[str, Desired] = {}
        self.reports: dict[str, AttemptReport] = {}  # the last of each
        self.ended: dict[str, AttemptReport] = {}
        self.logs: dict[str, bytearray] = {}
        self.heartbeats: list[Heartbeat] = []
        self.registrations = 0
        self.interval = 0.5
        self._seq = count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _answers_of(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def run(
        self,
        uid: str,
        *command: str,
        resources: Resources = Resources(),
        **fields: object,
    ) -> None:
        """Want an attempt to run."""
        spec = AttemptSpec(
            uid=uid,
            job="job",
            job_uid="j-1",
            task_index=0,
            num_tasks=1,
            number=0,
            command=command,
            resources=resources,
            slice_name="slice",
            worker_index=0,
            hostnames=("127.0.0.1",),
            **fields,
        )
        with self.lock:
            self.wanted[uid] = Desired(uid, "run", spec)

    def want(self, uid: str, want: str, coordinator: str = "") -> None:
        """Change what is wanted of an attempt."""
        with self.lock:
            spec = self.wanted[uid].spec if uid in self.wanted else None
            self.wanted[uid] = Desired(uid, want, spec, coordinator)

    def has_ended(self, uid: str) -> AttemptReport | None:
        """How it ended, once its whole output is here."""
        with self.lock:
            return self.ended.get(uid)

    def state(self, uid: str) -> str:
        with self.lock:
            report = self.reports.get(uid)
            return report.state if report else ""

    def take_heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        with self.lock:
            self.heartbeats.append(heartbeat)
            have = {}
            for report in heartbeat.attempts:
                self.reports[report.uid] = report
                have[report.uid] = self.keep(report.uid, report.log_offset, report.log)
                is_whole = have[report.uid] >= report.log_bytes
                if report.state in ATTEMPT_ENDED and is_whole:
                    self.ended[report.uid] = report
                    self.wanted.pop(report.uid, None)
            known = {report.uid for report in heartbeat.attempts}
            desired = tuple(
                Desired(
                    d.uid,
                    d.want,
                    None if d.uid in known else d.spec,
                    d.coordinator,
                    log_have=have.get(d.uid, -1),
                )
                for d in self.wanted.values()
            )
            return HeartbeatAnswer(next(self._seq), self.interval, desired)

    def keep(self, uid: str, offset: int, content: bytes) -> int:
        kept = self.logs.setdefault(uid, bytearray())
        if offset <= len(kept):
            kept += content[len(kept) - offset :]
        return len(kept)


def _answers_of(controller: FakeController) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer(Health("test", UID, "0", True, ()))

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if self.path == "/v1/workers:register":
                controller.registrations += 1
                answer = Registered("w-1", "token", "test", UID, 0.5)
                self._answer(answer)
            elif self.path.endswith("/heartbeat"):
                heartbeat = wire.decode(body, Heartbeat)
                self._answer(controller.take_heartbeat(heartbeat))
            elif self.path.endswith("/logs"):
                batch = wire.decode(body, LogBatch)
                with controller.lock:
                    have = {
                        c.attempt_uid: controller.keep(
                            c.attempt_uid, c.offset, c.content
                        )
                        for c in batch.chunks
                    }
                self._answer(LogBatchAnswer(have))
            else:
                self._answer(json.loads(body))

        def _answer(self, answer: object) -> None:
            content = msgspec.json.encode(answer)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Answers
