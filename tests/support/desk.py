"""A controller's API over a real State and database, without loops or a provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from iris import wire
from iris.clock import VirtualClock
from iris.controller.app import create_app
from iris.controller.archive import Archive
from iris.controller.auth import ensure_operator_token
from iris.controller.bundle_store import BundleStore
from iris.controller.change import hash_token
from iris.controller.disk import StateDisk
from iris.controller.job_log import Room
from iris.controller.logs import LogStore
from iris.controller.metrics import LoopNumbers, Metrics, StateNumbers
from iris.controller.output_store import OutputStore
from iris.controller.parts import Parts
from iris.controller.secret_store import SecretStore
from iris.controller.state import State, Tuning
from iris.controller.store import Store
from iris.controller.streams import wake_readers
from iris.domain.access import Grant, Role
from iris.domain.costs import Standing
from iris.domain.disk import DiskUse
from iris.domain.fleet import ScaleGroup, Worker
from iris.domain.protocol import AttemptReport, Heartbeat, HeartbeatAnswer, Registration
from iris.domain.views import JobView
from iris.planning.plans import CapacityPlan, Create, Placement, SchedulingPlan
from tests.support.fleet import CPU, TPU

GB = 10**9


class Desk:
    """Parts on a folder, an HTTP client, and workers that a test plays by hand."""

    def __init__(self, folder: Path, keep_events: int = 200_000) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.clock = VirtualClock()
        self._ids = count(1)
        self.store = Store(folder / "iris.db", "a test", keep_events=keep_events)
        self.state = State((CPU, TPU), self.store, self.clock, Tuning("test", "uid-1"))
        self.archive = Archive(folder / "iris.db")
        self.disk_use = DiskUse(50 * GB, 40 * GB)
        self.parts = Parts(
            state=self.state,
            history=self.archive,
            logs=LogStore(
                folder / "logs", Room(may_write=lambda: self.parts.disk.may_write())
            ),
            outputs=OutputStore(folder / "outputs", self.state.is_live),
            bundles=BundleStore(folder / "bundles", self.clock.now),
            secrets=SecretStore(folder / "secrets", self.state),
            disk=StateDisk(folder, lambda: self.disk_use, most_ballast=4096),
            metrics=Metrics(),
            clock=self.clock,
            config_text="name: test\n",
            log_file=folder / "controller.log",
            standing=(Standing("VM", "n2-standard-4", 0.2),),
        )
        self.parts.metrics.watch(StateNumbers(self.state))
        self.parts.metrics.watch(LoopNumbers(self.parts.loops))
        self.state.listen(self.parts.bell.ring)
        self.state.listen(self.parts.secrets.drop_ended)
        self.state.listen(self.parts.outputs.drop_ended)
        self.state.listen(wake_readers(self.parts))
        ensure_operator_token(self.state, folder, self.clock.now())
        self.operator = (folder / "operator.token").read_text().strip()
        self.app = create_app(self.parts)
        self.client: FlaskClient = self.app.test_client()

    def close(self) -> None:
        self.parts.closing.set()
        self.archive.close()
        self.store.close()

    def token(self, role: Role, user: str) -> str:
        """A token of that role."""
        token = f"{role}-{user}-{next(self._ids)}"
        self.state.grant(Grant(hash_token(token), role, user))
        return token

    def ask(
        self, method: str, path: str, body: object = None, token: str | None = None
    ) -> Any:
        """One request; the operator's unless a token is given ("" for none)."""
        token = self.operator if token is None else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = body if isinstance(body, bytes) else wire.encode(body)
        return self.client.open(
            path,
            method=method,
            headers=headers,
            data=None if body is None else content,
            buffered=True,
        )

    def submit(self, token: str | None = None, **spec: Any) -> JobView:
        """Accept a job of `true` through the API."""
        spec = {"command": ["true"], "name": "job"} | spec
        body = {"client_id": f"client-{next(self._ids)}", "spec": spec}
        answer = self.ask("POST", "/v1/jobs", body, token)
        assert answer.status_code == 201, answer.text
        return wire.decode(answer.data, JobView)

    def boot(self, group: ScaleGroup = CPU) -> list[PlayedWorker]:
        """A slice whose workers registered through the API, in order of index."""
        plan = CapacityPlan(creates=(Create(group.name, "z", "a test wants it"),))
        (slice_,) = self.state.commit_capacity(plan)
        self.state.slice_accepted(slice_.name)
        tokens = self.state.create_request(slice_.name, "http://x").join_tokens
        workers = []
        for index, join_token in enumerate(tokens):
            words = Registration(
                slice_.name, slice_.uid, index, f"boot-{index}", "127.0.0.1", "test"
            )
            answer = self.ask("POST", "/v1/workers:register", words, join_token)
            assert answer.status_code == 200, answer.text
            workers.append(PlayedWorker(self, answer.json, join_token))
        return workers

    def place(self, job: JobView, worker: PlayedWorker, task: int = 0) -> str:
        """Put a task on a worker; returns the attempt's uid."""
        placement = Placement(job.uid, False, ((task, worker.uid),))
        self.state.commit_scheduling(SchedulingPlan((placement,)))
        with self.state.reading() as tables:
            return tables.tasks[job.uid].touched[task].attempt_uid


class PlayedWorker:
    """A worker that speaks when the test lets it."""

    def __init__(self, desk: Desk, registered: Any, join_token: str) -> None:
        self.desk = desk
        self.uid: str = registered["worker_uid"]
        self.token: str = registered["token"]
        self.join_token = join_token
        with desk.state.reading() as tables:
            self.row: Worker = tables.workers[self.uid]
        self._seqs = count(1)

    def beat(self, *reports: AttemptReport) -> HeartbeatAnswer:
        """One heartbeat that observes just this."""
        words = Heartbeat(self.uid, self.row.boot_id, next(self._seqs), 0, 0, reports)
        path = f"/v1/workers/{self.uid}/heartbeat"
        answer = self.desk.ask("POST", path, words, self.token)
        assert answer.status_code == 200, answer.text
        return wire.decode(answer.data, HeartbeatAnswer)


@contextmanager
def open_desk(folder: Path, keep_events: int = 200_000) -> Iterator[Desk]:
    """A desk that is closed at the end."""
    desk = Desk(folder, keep_events)
    try:
        yield desk
    finally:
        desk.close()
