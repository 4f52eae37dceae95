"""A controller that says what a test wants; it keeps the workers' protocol."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

from msgspec.structs import replace

from iris import wire
from iris.domain.pages import AttemptSecrets
from iris.domain.protocol import (
    AttemptReport,
    AttemptSpec,
    Desired,
    Heartbeat,
    HeartbeatAnswer,
    LogBatch,
    LogBatchAnswer,
    OutputsHad,
    OutputsOffer,
    PhaseReport,
    Registered,
    Registration,
)
from iris.domain.resources import Resources
from iris.domain.states import ATTEMPT_ENDED
from iris.domain.views import Health
from iris.errors import IrisError, JobRefused, NotThere, StoreFailed

UID = "cluster-uid"
TOKEN = "worker-token"
BUNDLE_DEADLINE = 30.0  # seconds; a test that forgets to open the gate ends


class FakeController:
    """Hands out wishes, takes reports and output; real HTTP on loopback."""

    def __init__(self, uid: str = UID) -> None:
        self.uid = uid
        self.lock = threading.RLock()
        self.wanted: dict[str, Desired] = {}
        self.reports: dict[str, AttemptReport] = {}  # the last of each
        self.ended: dict[str, AttemptReport] = {}
        self.logs: dict[str, bytearray] = {}
        self.refuses_logs = ""  # why, while it does
        self.heartbeats: list[Heartbeat] = []
        self.registrations: list[Registration] = []
        self.phases: list[PhaseReport] = []
        self.bundles: dict[str, bytes] = {}
        self.gives_bundles = threading.Event()  # while not, who asks for one waits
        self.gives_bundles.set()
        self.secrets: dict[str, dict[str, str]] = {}  # values by attempt
        self.outputs: dict[str, bytearray] = {}  # packed, by attempt
        self.offers: dict[str, OutputsOffer] = {}  # of what is whole
        self.takes_outputs = True
        self.asked: Counter[str] = Counter()  # requests by path
        self.tokens: set[str] = set()  # that were shown
        self.interval = 0.5
        self.is_away = False  # every connection is cut
        self.answers_to_lose = 0  # heartbeats that are taken, and never answered
        self.refusal: IrisError | None = None  # of every heartbeat
        self._seq = count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _answers_of(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        ).start()

    def close(self) -> None:
        self.is_away = True
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

    def want(
        self, uid: str, want: str, coordinator: str = "", **fields: object
    ) -> None:
        """Change what is wanted of an attempt."""
        with self.lock:
            spec = self.wanted[uid].spec if uid in self.wanted else None
            self.wanted[uid] = Desired(uid, want, spec, coordinator, **fields)

    def keep_bundle(self, content: bytes) -> str:
        """Have a bundle; returns its name."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.bundles[sha256] = content
        return sha256

    def has_ended(self, uid: str) -> AttemptReport | None:
        """How it ended, once its whole output is here."""
        with self.lock:
            return self.ended.get(uid)

    def state(self, uid: str) -> str:
        with self.lock:
            report = self.reports.get(uid)
            return report.state if report else ""

    def detail(self, uid: str) -> str:
        with self.lock:
            report = self.reports.get(uid)
            return report.detail if report else ""

    def output(self, uid: str) -> str:
        with self.lock:
            return self.logs.get(uid, b"").decode()

    # -- what workers ask ------------------------------------------------------------

    def answer_raw(
        self, path: str, token: str, body: bytes
    ) -> tuple[int, bytes] | None:
        """Status and content; None where the connection is cut instead."""
        if path == "/health":
            return 200, wire.encode(Health("test", self.uid, "0", True, ()))
        self.asked[path] += 1
        self.tokens.add(token)
        try:
            answer = self._answer(path, body)
        except IrisError as error:
            problem = wire.error_to_problem(error)
            return problem.status, wire.encode(problem)
        if self._loses_answer(path):
            return None
        return 200, answer if isinstance(answer, bytes) else wire.encode(answer)

    def _answer(self, path: str, body: bytes) -> object:
        if path == "/v1/workers:register":
            self.registrations.append(wire.decode(body, Registration))
            return Registered("w-1", TOKEN, "test", self.uid, 0.5)
        if path.endswith(":phase"):
            self.phases.append(wire.decode(body, PhaseReport))
            return {}
        if path.endswith("/logs"):
            return self._take_logs(wire.decode(body, LogBatch))
        if path.startswith("/v1/bundles/"):
            return self._bundle(path.rpartition("/")[2])
        if path.endswith("/secrets"):
            return self._secrets(path.split("/")[3])
        if path.startswith("/v1/attempts/"):
            return self._take_outputs(path, body)
        if self.refusal is not None:
            raise self.refusal
        return self._take_heartbeat(wire.decode(body, Heartbeat))

    def _loses_answer(self, path: str) -> bool:
        with self.lock:
            loses = path.endswith("/heartbeat") and self.answers_to_lose > 0
            self.answers_to_lose -= loses
            return loses

    def _bundle(self, sha256: str) -> bytes:
        if sha256 not in self.bundles:
            raise NotThere(f"there is no bundle {sha256}")
        self.gives_bundles.wait(BUNDLE_DEADLINE)
        return self.bundles[sha256]

    def _secrets(self, uid: str) -> AttemptSecrets:
        if uid not in self.secrets:
            raise JobRefused("the cluster has no secret any more")
        return AttemptSecrets(self.secrets[uid])

    def _take_outputs(self, path: str, body: bytes) -> OutputsHad:
        uid, offset = path.split("/")[3], path.partition("?offset=")[2]
        if not self.takes_outputs:
            raise StoreFailed("the disk is full")
        with self.lock:
            kept = self.outputs.setdefault(uid, bytearray())
            if offset:
                if int(offset) == len(kept):
                    kept += body
                return OutputsHad(len(kept))
            offer = wire.decode(body, OutputsOffer)
            is_whole = hashlib.sha256(kept).hexdigest() == offer.sha256
            if is_whole:
                self.offers[uid] = offer
            return OutputsHad(len(kept), kept=is_whole)

    def _take_logs(self, batch: LogBatch) -> LogBatchAnswer:
        with self.lock:
            if self.refuses_logs:
                uids = (chunk.attempt_uid for chunk in batch.chunks)
                return LogBatchAnswer({}, dict.fromkeys(uids, self.refuses_logs))
            return LogBatchAnswer(
                {
                    c.attempt_uid: self._keep(c.attempt_uid, c.offset, c.content)
                    for c in batch.chunks
                }
            )

    def _take_heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        with self.lock:
            self.heartbeats.append(heartbeat)
            have = {}
            for report in heartbeat.attempts:
                self.reports[report.uid] = report
                have[report.uid] = self._keep(report.uid, report.log_offset, report.log)
                is_whole = have[report.uid] >= report.log_bytes
                if report.state in ATTEMPT_ENDED and is_whole:
                    self.ended[report.uid] = report
                    self.wanted.pop(report.uid, None)
            known = {report.uid for report in heartbeat.attempts}
            desired = tuple(
                replace(
                    d,
                    spec=None if d.uid in known else d.spec,
                    log_have=have.get(d.uid, -1),
                )
                for d in self.wanted.values()
            )
            return HeartbeatAnswer(next(self._seq), self.interval, desired)

    def _keep(self, uid: str, offset: int, content: bytes) -> int:
        kept = self.logs.setdefault(uid, bytearray())
        if offset <= len(kept):
            kept += content[len(kept) - offset :]
        return len(kept)


def _answers_of(controller: FakeController) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # an answer leaves whole

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.do_POST()

        def do_PUT(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answered = None
            if not controller.is_away:
                token = self.headers.get("Authorization", "")
                answered = controller.answer_raw(self.path, token, body)
            if answered is None:
                self.close_connection = True
            else:
                self._send(*answered)

        def _send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Answers
