"""Jobs, their tasks and attempts, and what they print, asked over a link."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

from iris import wire
from iris.client.calls import MOST_ITEMS, Calls, part
from iris.client.link import Query, Request
from iris.client.streams import Stream, follow
from iris.domain.events import EVENTS_GONE, Event
from iris.domain.jobs import JobSpec
from iris.domain.pages import (
    Admission,
    CancelRequest,
    JobBatch,
    LogPage,
    Page,
    SubmissionBatch,
)
from iris.domain.states import JOB_ENDED, JobState, TaskState
from iris.domain.views import (
    AttemptView,
    Explanation,
    JobView,
    LogLine,
    OutputsView,
    Submission,
    TaskView,
)
from iris.errors import FellShort, Late, NotThere

_ALL = 1 << 31  # more than a job can have
# Kinds of events after which a job may have ended.
_MAY_TELL = frozenset({EVENTS_GONE, *(f"job {state}" for state in JOB_ENDED)})


class JobCalls(Calls):
    """The part of the client that is about jobs."""

    def submit(
        self,
        spec: JobSpec,
        client_id: str = "",
        secrets: Mapping[str, str] | None = None,
    ) -> JobView:
        """Accept a job; the same client id again gives the same job.

        `secrets` are values for names in `spec.secrets`; no answer shows them.
        """
        client_id = client_id or uuid.uuid4().hex
        submission = Submission(client_id, spec, dict(secrets or {}))
        return self._post("/v1/jobs", JobView, submission)

    def check(
        self, spec: JobSpec, client_id: str = "", secrets: Iterable[str] = ()
    ) -> Admission:
        """What `submit` would be answered with: refused alike, and nothing changes.

        `secrets` are the names of those whose values would come along.
        """
        client_id = client_id or uuid.uuid4().hex
        submission = Submission(client_id, spec, dict.fromkeys(secrets, ""))
        return self._post("/v1/jobs:check", Admission, submission)

    def submit_many(self, specs: Sequence[JobSpec]) -> tuple[JobView, ...]:
        """Accept jobs together: all of them or none."""
        batch = SubmissionBatch(tuple(Submission(uuid.uuid4().hex, s) for s in specs))
        return self._post("/v1/jobs:batch", JobBatch, batch).jobs

    def jobs(
        self,
        *,
        state: JobState | str | None = None,
        user: str | None = None,
        name: str | None = None,
        limit: int = 100,
    ) -> tuple[JobView, ...]:
        """The newest jobs, at most `limit` of them."""
        query = {"state": state, "user": user, "name": name}
        return self._list("/v1/jobs", Page[JobView], query, limit)

    def job(self, job: str) -> JobView:
        """One job by name or uid. Raises NotThere."""
        return self._get(_job(job), JobView)

    def tasks(
        self, job: str, limit: int = MOST_ITEMS, *, state: TaskState | None = None
    ) -> tuple[TaskView, ...]:
        """The tasks of a job, in order, at most `limit` of them."""
        return self._list(f"{_job(job)}/tasks", Page[TaskView], {"state": state}, limit)

    def task(self, job: str, index: int) -> TaskView:
        """One task of a job. Raises NotThere."""
        query = {"page": index, "limit": 1}
        page = self._get(f"{_job(job)}/tasks", Page[TaskView], query)
        if not page.items:
            raise NotThere(f"job {job} has no task {index}")
        return page.items[0]

    def attempts(self, job: str, task: int) -> tuple[AttemptView, ...]:
        """All attempts of a task, in order."""
        return self._get(f"{_job(job)}/tasks/{task}/attempts", Page[AttemptView]).items

    def entrance(self, job: str, task: int) -> AttemptView:
        """The attempt to get into, while it runs. Raises Conflict, NotAllowed."""
        return self._get(f"{_job(job)}/tasks/{task}/entrance", AttemptView)

    def why(self, job: str) -> Explanation:
        """Why a job stands where it stands, and what happens next."""
        return self._get(f"{_job(job)}/why", Explanation)

    def cancel(self, job: str, because: str = "") -> JobView:
        """Ask for a job's end; one that has ended stays as it is."""
        return self._post(f"{_job(job)}:cancel", JobView, CancelRequest(because))

    def outputs(
        self, job: str, *, task: int | None = None, attempt: int | None = None
    ) -> tuple[OutputsView, ...]:
        """What each task left, by its last attempt, or why there is nothing."""
        query = {"task": task, "attempt": attempt}
        return self._list(f"{_job(job)}/outputs", Page[OutputsView], query, _ALL)

    def fetch_outputs(
        self,
        job: str,
        view: OutputsView,
        into: BinaryIO,
        came: Callable[[int], object] = int,
    ) -> None:
        """Write what an attempt left, packed, into a file; a cut goes on from there.

        Tells how many bytes came so far. Raises NotThere where it is gone, FellShort
        where it is not what it was.
        """
        path = f"{_job(job)}/tasks/{view.task}/attempts/{view.attempt}/outputs"
        digest, have = hashlib.sha256(), 0
        while have < view.size_bytes:
            piece = self._link.ask("GET", path, {"offset": have})
            if not piece:
                break
            digest.update(piece)
            into.write(piece)
            have += len(piece)
            came(have)
        if digest.hexdigest() != view.sha256:
            raise FellShort(
                f"the outputs of task {view.task} of job {view.job} arrived damaged",
                hint="The controller's file is not what it was: `inv probe.logs`.",
            )

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
        return self._get(f"{_job(job)}/log", LogPage, query)

    def log_cursor(self, job: str, seconds_ago: float) -> int:
        """Where the output of that time begins, by the controller's clock."""
        query: Query = {"since": str(seconds_ago), "limit": 1}
        return self._get(f"{_job(job)}/log", LogPage, query).start

    def read_log_end(
        self, job: str, task: int, attempt: int, most_bytes: int
    ) -> tuple[LogLine, ...]:
        """The last pieces of what an attempt printed, with at least so many bytes."""
        query = {"task": task, "attempt": attempt, "tail": most_bytes}
        return self._get(f"{_job(job)}/log", LogPage, query).items

    def follow_log(
        self,
        job: str,
        cursor: int = 0,
        task: int | None = None,
        *,
        until: float | None = None,
    ) -> Iterator[LogLine]:
        """A job's output as it comes, until the job has ended and all was sent.

        Each piece comes once, whatever happens to controller and connection; stops
        at the time `until` too, where it is given.
        """
        query = {"cursor": cursor, "task": task}
        stream = Stream(f"{_job(job)}/log:stream", "cursor", query)
        for sent in follow(self._link, stream, until):
            yield wire.decode(sent.content, LogLine)

    def follow_events(
        self,
        after: int = 0,
        job: str | None = None,
        *,
        slice_name: str | None = None,
        until: float | None = None,
    ) -> Iterator[Event]:
        """Events after a number, then each as it happens, each once."""
        query = {"after": after, "job": job, "slice": slice_name}
        stream = Stream("/v1/events:stream", "after", query)
        for sent in follow(self._link, stream, until):
            yield wire.decode(sent.content, Event)

    def wait_for_job(self, job: str, timeout: float | None = None) -> JobView:
        """Return once it has ended. Raises Late with what was last seen."""
        clock = self._link.clock
        until = None if timeout is None else clock.now() + timeout
        answer = self._link.answer(Request("GET", _job(job)))
        view = wire.decode(answer.data, JobView)
        after = int(answer.headers["Iris-Seq"])
        if view.state not in JOB_ENDED:
            for event in self.follow_events(after, view.uid, until=until):
                # the same words tell that a cancellation was asked for
                if event.kind in _MAY_TELL:
                    view = self.job(view.uid)
                    if view.state in JOB_ENDED:
                        return view
            view = self.job(view.uid)
        if view.state not in JOB_ENDED:
            raise Late(
                f"job {view.name} is still {view.state}",
                hint=f"It goes on. `inv probe.why {view.name}` says more, "
                f"`inv job.wait {view.name}` waits again.",
            )
        return view


def _job(job: str) -> str:
    return f"/v1/jobs/{part(job)}"
