"""Jobs, tasks and attempts as the API shows them: live ones from memory, others read.

Memory is looked at first and the history after what memory showed is durable: what
leaves memory in between is then found in the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from msgspec.structs import replace

from iris.clock import Clock
from iris.controller.history import History, JobFilter
from iris.controller.job_tasks import JobTasks
from iris.controller.state import State
from iris.controller.stays import second, words_of_stay, words_of_waiting
from iris.controller.tables import Tables
from iris.controller.task_views import attempt_view, require_task, task_view
from iris.controller.transitions.forgetting import no_such_job
from iris.domain.jobs import Attempt, Job, JobSpec, Task
from iris.domain.pages import Page
from iris.domain.states import TASK_ENDED, JobState, TaskState
from iris.domain.views import AttemptView, Explanation, JobView, TaskView
from iris.planning.explain import explain_job
from iris.planning.under_way import ways_out, what_goes_on, words_of_backoff

NEWEST = 1 << 62  # above the place in line of any job
_WINDOW = 1000  # rows read at once
# Few of a job's tasks are at once, and memory holds all of those.
_UNDER_WAY = frozenset({TaskState.ASSIGNED, TaskState.RUNNING})


class JobViews:
    """Questions about jobs. Thread-safe; holds nothing."""

    def __init__(self, state: State, history: History, clock: Clock) -> None:
        self._state = state
        self._history = history
        self._clock = clock

    def find(self, name_or_uid: str) -> Job:
        """A job by name or uid. Raises NotThere."""
        with self._state.reading() as tables:
            uid = tables.names.get(name_or_uid, name_or_uid)
            job = tables.jobs.get(uid)
            absent = no_such_job(tables, name_or_uid)
        if job is None:
            self._state.wait_durable()
            job = self._history.job(uid)
        if job is None:
            raise absent
        return job

    def view(self, job: Job) -> JobView:
        """A job with the counts of its tasks."""
        with self._state.reading() as tables:
            if job.uid in tables.jobs:
                return _live_view(tables, job.uid, self._clock.now())
        return self._ended_view(job if job.ended_at else self.find(job.uid))

    def page(self, wanted: JobFilter, before: int, limit: int) -> Page[JobView]:
        """Jobs with a place in line below `before`, the newest first."""
        live = self._live(wanted, before, limit)
        self._state.wait_durable(self._state.seen_seq())
        floor = live[limit][0] if len(live) > limit else 0  # older ones have no room
        ended = self._history.ended_jobs(wanted, before, limit + 1, floor)
        shown = {view.uid for _, view in live}
        fresh = [(j.order, self._ended_view(j)) for j in ended if j.uid not in shown]
        merged = sorted([*live, *fresh], key=lambda pair: -pair[0])
        views = tuple(view for _, view in merged[:limit])
        more = str(merged[limit - 1][0]) if len(merged) > limit else ""
        return Page(views, more)

    def tasks(
        self, job: Job, state: TaskState | None, first: int, limit: int
    ) -> Page[TaskView]:
        """Tasks from index `first` on, in order."""
        if state in _UNDER_WAY:
            indexes = self._indexes_under_way(job, state, first, limit + 1)
            found = [self._window(job, index, index + 1)[0] for index in indexes]
            return _task_page([v for v in found if v.state is state], limit)
        found = []
        count = job.spec.tasks
        while first < count and len(found) <= limit:
            last = min(first + (_WINDOW if state else limit + 1), count)
            found += [
                v for v in self._window(job, first, last) if state in (None, v.state)
            ]
            first = last
        return _task_page(found, limit)

    def attempts(self, job: Job, index: int) -> Page[AttemptView]:
        """Every attempt at a task, the first one first."""
        require_task(job, index)
        self._state.wait_durable()
        attempts = self._history.attempts(job.uid, index)
        return Page(tuple(attempt_view(job, attempt) for attempt in attempts))

    def has_ended(self, job: Job, task: int | None) -> bool:
        """Has the job, or that task of it, ended, and so its log?"""
        with self._state.reading() as tables:
            tasks = tables.tasks.get(job.uid)
            if tasks is None:
                return True
            return task is not None and tasks.state(task) in TASK_ENDED

    def explain(self, job: Job) -> Explanation:
        """Why a job stands where it stands."""
        snapshot = self._state.snapshot()
        for pending in snapshot.pending:
            if pending.job.uid == job.uid:
                now = self._clock.now()
                why = explain_job(snapshot, pending, now, moment=second)
                return replace(why, because=words_of_waiting(job, why.because))
        view, said = self.view(job), what_goes_on(snapshot, job.uid)
        counts = _words_of_counts(view.counts)
        return Explanation(
            job=job.name,
            state=view.state,
            because=view.because or (f"{counts}: {said}" if said else counts),
            next_step=_next_step(view, job),
            unblock=ways_out(snapshot, job),
        )

    def _live(
        self, wanted: JobFilter, before: int, limit: int
    ) -> list[tuple[int, JobView]]:
        now = self._clock.now()
        with self._state.reading() as tables:
            matching = (
                (job.order, _live_view(tables, job.uid, now))
                for job in reversed(tables.jobs.values())
                if job.order < before and _is_wanted(tables, job, wanted)
            )
            return list(islice(matching, limit + 1))

    def _ended_view(self, job: Job) -> JobView:
        counts = self._history.task_counts(job)
        # tasks that never started have no row; they end when their job's end is asked
        missing = job.spec.tasks - sum(counts.values())
        if missing > 0:
            kept = counts.get(job.end_of_untried, 0)
            counts = counts | {job.end_of_untried: kept + missing}
        return _job_view(job, job.final_state or derive_job_state(counts), counts)

    def _indexes_under_way(
        self, job: Job, state: TaskState | None, first: int, most: int
    ) -> list[int]:
        with self._state.reading() as tables:
            tasks = tables.tasks.get(job.uid)
            if tasks is None:
                return []
            found = (t.index for t in tasks.touched.values() if t.state is state)
            return sorted(index for index in found if index >= first)[:most]

    def _window(self, job: Job, first: int, last: int) -> list[TaskView]:
        with self._state.reading() as tables:
            tasks = tables.tasks.get(job.uid)
            known = _known_tasks(tasks, first, last)
            attempts = _attempts_of(tables, known.values())
        if len(known) < last - first:
            self._state.wait_durable(self._state.seen_seq())
            rows = self._history.tasks(job.uid, first, last)
            known = {task.index: task for task in rows} | known
            uids = [t.attempt_uid for t in known.values() if t.attempt_uid]
            absent = [uid for uid in uids if uid not in attempts]
            attempts |= self._history.attempts_by_uid(absent)
        return [
            task_view(job, known.get(i, _never_started(job, i)), attempts)
            for i in range(first, last)
        ]


def derive_job_state(counts: Mapping[TaskState, int]) -> JobState:
    """A live job runs from its first start on, until all wait again."""
    idle = (TaskState.PENDING, TaskState.ASSIGNED)
    has_begun = any(count for state, count in counts.items() if state not in idle)
    return JobState.RUNNING if has_begun else JobState.PENDING


def _live_view(tables: Tables, job_uid: str, now: float) -> JobView:
    job, tasks = tables.jobs[job_uid], tables.tasks[job_uid]
    counts = tasks.counts()
    waits = words_of_stay(tables, job)
    if counts.get(TaskState.PENDING):
        waits = job.words_of_waiting() or tables.waiting.get(job_uid, "")
        if not waits and (pending := tasks.pending(now)) is not None:
            waits = words_of_backoff(pending, second)
        waits = words_of_waiting(job, waits)
    return _job_view(job, derive_job_state(counts), counts, waits)


def _is_wanted(tables: Tables, job: Job, wanted: JobFilter) -> bool:
    if not wanted.has(job):
        return False
    if wanted.state is None:
        return True
    return derive_job_state(tables.tasks[job.uid].counts()) is wanted.state


def _job_view(
    job: Job, state: JobState, counts: dict[TaskState, int], waits: str = ""
) -> JobView:
    return JobView(
        uid=job.uid,
        name=job.name,
        user=job.user,
        state=state,
        submitted_at=job.submitted_at,
        ended_at=job.ended_at,
        counts=counts,
        because=job.because or waits,
        spec=_brief(job.spec),
        cancelled_by=job.cancelled_by,
        parent=job.parent,
        blamed_task=job.blamed_task,
        blamed_attempt=job.blamed_attempt,
    )


def _brief(spec: JobSpec) -> JobSpec:
    return replace(spec, each=dict.fromkeys(spec.each, ())) if spec.each else spec


def _known_tasks(tasks: JobTasks | None, first: int, last: int) -> dict[int, Task]:
    if tasks is None:
        return {}
    found = ((index, tasks.task(index)) for index in range(first, last))
    return {index: task for index, task in found if task is not None}


def _attempts_of(tables: Tables, tasks: Iterable[Task]) -> dict[str, Attempt]:
    found = (tables.attempts.get(task.attempt_uid) for task in tasks)
    return {attempt.uid: attempt for attempt in found if attempt is not None}


def _never_started(job: Job, index: int) -> Task:
    return Task(
        job.uid,
        index,
        state=job.end_of_untried if job.cancelled_by else TaskState.PENDING,
        reason=job.because,
    )


def _task_page(found: list[TaskView], limit: int) -> Page[TaskView]:
    more = str(found[limit].index) if len(found) > limit else ""
    return Page(tuple(found[:limit]), more)


def _words_of_counts(counts: Mapping[TaskState, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _next_step(view: JobView, job: Job) -> str:
    if view.ended_at:
        return ""
    if view.cancelled_by:
        return "it ends once its workers have confirmed that what runs has stopped"
    if view.state is JobState.PENDING and not job.waits_for:
        step = "it starts once it is prepared there, else it is tried again"
        limit = f"; where it waits, it fails at {second(job.start_by)}"
        return step + (limit if job.start_by else "")
    if job.waits_for:
        return "it is scheduled once they have ended, and cancelled if it cannot be"
    return "it ends with its last task"
