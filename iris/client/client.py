"""The client: a method for each thing that a controller answers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import msgspec

from iris import wire
from iris.client.link import Link, Query
from iris.client.streams import follow
from iris.clock import Clock, RealClock
from iris.domain.events import Event
from iris.domain.jobs import JobSpec
from iris.domain.pages import (
    BundleKept,
    CancelRequest,
    JobBatch,
    LogPage,
    Page,
    SubmissionBatch,
    TextPage,
)
from iris.domain.views import (
    AttemptView,
    AutoscalerView,
    ClusterView,
    Explanation,
    Health,
    JobView,
    LogLine,
    SliceBoot,
    SliceView,
    Submission,
    TaskView,
    WorkerView,
)
from iris.errors import Late, NotThere

if TYPE_CHECKING:
    from iris.bundles import Bundle

T = TypeVar("T")

PATIENCE = 300.0  # seconds that a controller may be away


class Client:
    """Speaks to one controller; rides out its restarts for `patience` seconds.

    `where` is its URL, or a function that finds it anew after each loss. Every
    method raises what the controller refused with, or Unreachable.
    """

    def __init__(
        self,
        where: str | Callable[[], str],
        token: str,
        patience: float = PATIENCE,
        clock: Clock | None = None,
    ) -> None:
        lookup = where if callable(where) else lambda: where
        self._clock = clock or RealClock()
        self._link = Link(lookup, token, patience, self._clock)

    @classmethod
    def of_cluster(cls, name: str | None = None) -> Client:
        """The cluster of that name, or the one started last. Raises NoCluster."""
        from iris.client import records

        record = records.load(name) if name else records.last()
        token = records.token(record.cluster)
        # without a provider the address is the one that was seen last
        return cls(lambda: records.load(record.cluster).url, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._link.close()

    # -- the cluster -----------------------------------------------------------------

    def health(self) -> Health:
        """Who answers, and how late its loops are."""
        return self._get("/health", Health)

    def cluster(self) -> ClusterView:
        """The cluster at a glance."""
        return self._get("/v1/cluster", ClusterView)

    def drain_cluster(self) -> ClusterView:
        """Give every slice back, and make none until `resume_cluster`."""
        return self._post("/v1/cluster:drain", ClusterView)

    def resume_cluster(self) -> ClusterView:
        """Slices may come again."""
        return self._post("/v1/cluster:resume", ClusterView)

    def autoscaler(self) -> AutoscalerView:
        """What the autoscaler makes of each group, and of who waits."""
        return self._get("/v1/autoscaler", AutoscalerView)

    def events(
        self,
        after: int = 0,
        *,
        job: str | None = None,
        slice_name: str | None = None,
        newest: int | None = None,
        limit: int = 1000,
    ) -> tuple[Event, ...]:
        """Events after a number in their order, or the newest ones."""
        query = {"after": after, "job": job, "slice": slice_name, "limit": limit}
        if newest is not None:
            query |= {"newest": "true", "limit": newest}
        return self._get("/v1/events", Page[Event], query).items

    def follow_events(self, after: int = 0, job: str | None = None) -> Iterator[Event]:
        """Events after a number, then each as it happens."""
        query = {"after": after, "job": job}
        for sent in follow(self._link, "/v1/events:stream", query, "after"):
            yield wire.decode(sent.content, Event)

    def controller_log(self, lines: int = 200) -> tuple[str, ...]:
        """The last lines of the controller's own log."""
        return self.read_controller_log({"lines": lines}).lines

    def follow_controller_log(self, lines: int = 200) -> Iterator[str]:
        """The last lines, then each as it is written."""
        page = self.read_controller_log({"lines": lines})
        while True:
            yield from page.lines
            if not page.lines:
                self._pause(0.5)
            page = self.read_controller_log({"since": page.cursor})

    def read_controller_log(self, query: Query) -> TextPage:
        """Its last `lines`, or those `since` a cursor."""
        return self._get("/v1/controller/log", TextPage, query)

    def get(self, path: str) -> Any:
        """The JSON of any path of the API."""
        return msgspec.json.decode(self._link.ask("GET", path))

    # -- jobs ------------------------------------------------------------------------

    def submit(self, spec: JobSpec, client_id: str = "") -> JobView:
        """Accept a job; the same client id again gives the same job."""
        submission = Submission(client_id or uuid.uuid4().hex, spec)
        return self._post("/v1/jobs", JobView, submission)

    def submit_many(self, specs: Sequence[JobSpec]) -> tuple[JobView, ...]:
        """Accept jobs together: all of them or none."""
        batch = SubmissionBatch(tuple(Submission(uuid.uuid4().hex, s) for s in specs))
        return self._post("/v1/jobs:batch", JobBatch, batch).jobs

    def jobs(
        self, *, state: str | None = None, user: str | None = None, limit: int = 100
    ) -> tuple[JobView, ...]:
        """The newest jobs, at most `limit` of them."""
        query = {"state": state, "user": user, "limit": limit}
        return self._get("/v1/jobs", Page[JobView], query).items

    def job(self, job: str) -> JobView:
        """One job by name or uid. Raises NotThere."""
        return self._get(f"/v1/jobs/{quote(job, safe='')}", JobView)

    def tasks(self, job: str, limit: int = 1000) -> tuple[TaskView, ...]:
        """The tasks of a job, in order, at most `limit` of them."""
        path, page = f"/v1/jobs/{quote(job, safe='')}/tasks", ""
        found: list[TaskView] = []
        while len(found) < limit:
            query = {"limit": min(limit - len(found), 1000), "page": page or None}
            answer = self._get(path, Page[TaskView], query)
            found += answer.items
            page = answer.next_page
            if not page:
                break
        return tuple(found)

    def attempts(self, job: str, task: int) -> tuple[AttemptView, ...]:
        """All attempts of a task, in order."""
        path = f"/v1/jobs/{quote(job, safe='')}/tasks/{task}/attempts"
        return self._get(path, Page[AttemptView]).items

    def why(self, job: str) -> Explanation:
        """Why a job stands where it stands, and what happens next."""
        return self._get(f"/v1/jobs/{quote(job, safe='')}/why", Explanation)

    def cancel(self, job: str, because: str = "") -> JobView:
        """Ask for a job's end."""
        path = f"/v1/jobs/{quote(job, safe='')}:cancel"
        return self._post(path, JobView, CancelRequest(because))

    def read_log(
        self,
        job: str,
        cursor: int = 0,
        *,
        task: int | None = None,
        attempt: int | None = None,
    ) -> LogPage:
        """A page of a job's output from a cursor on."""
        query = {"cursor": cursor, "task": task, "attempt": attempt}
        return self._get(f"/v1/jobs/{quote(job, safe='')}/log", LogPage, query)

    def follow_log(
        self, job: str, cursor: int = 0, task: int | None = None
    ) -> Iterator[LogLine]:
        """A job's output as it comes, until the job has ended and all was sent."""
        path = f"/v1/jobs/{quote(job, safe='')}/log:stream"
        query = {"cursor": cursor, "task": task}
        for sent in follow(self._link, path, query, "cursor"):
            yield wire.decode(sent.content, LogLine)

    def wait_for_job(self, job: str, timeout: float | None = None) -> JobView:
        """Return once it has ended. Raises Late with what was last seen."""
        until = None if timeout is None else self._clock.now() + timeout
        view, pause = self.job(job), 0.01
        while not view.ended_at:
            if until is not None and self._clock.now() >= until:
                raise Late(
                    f"job {view.name} is {view.state} after {timeout:g} s: "
                    f"{view.because}",
                    hint=f"It goes on. Ask again with `inv job.wait {view.name}`.",
                )
            self._pause(pause)
            pause = min(pause * 1.3, 0.5)
            view = self.job(job)
        return view

    # -- slices, workers, bundles ----------------------------------------------------

    def slices(self) -> tuple[SliceView, ...]:
        """Every slice that is not deleted."""
        return self._get("/v1/slices", Page[SliceView]).items

    def slice_boot(self, name: str) -> SliceBoot:
        """A slice's boot, phase by phase."""
        return self._get(f"/v1/slices/{quote(name, safe='')}/boot", SliceBoot)

    def confirm_gone(self, name: str) -> SliceView:
        """Vouch that a slice whose deletion is stuck does no work any more."""
        return self._post(f"/v1/slices/{quote(name, safe='')}:confirm-gone", SliceView)

    def workers(self) -> tuple[WorkerView, ...]:
        """Every worker."""
        return self._get("/v1/workers", Page[WorkerView]).items

    def drain_worker(self, worker_uid: str) -> WorkerView:
        """No new work for a worker's slice; it goes when what runs has ended."""
        return self._post(f"/v1/workers/{quote(worker_uid, safe='')}:drain", WorkerView)

    def upload_bundle(self, bundle: Bundle) -> None:
        """Send a bundle, unless the controller has it."""
        path = f"/v1/bundles/{bundle.sha256}"
        try:
            self._link.ask("HEAD", path)
        except NotThere:
            wire.decode(
                self._link.ask("PUT", path, body=bundle.path.read_bytes()), BundleKept
            )

    # -- inside ----------------------------------------------------------------------

    def _get(self, path: str, answer: type[T], query: Query | None = None) -> T:
        return wire.decode(self._link.ask("GET", path, query=query), answer)

    def _post(
        self, path: str, answer: type[T], body: msgspec.Struct | None = None
    ) -> T:
        content = wire.encode(body) if body is not None else b""
        return wire.decode(self._link.ask("POST", path, body=content), answer)

    def _pause(self, seconds: float) -> None:
        import threading

        self._clock.wait(threading.Event(), seconds)
