"""What has ended is read from the database, beside the store that writes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from iris.controller.archive import Archive
from iris.controller.database import open_for_reading
from iris.controller.history import EventFilter, JobFilter
from iris.controller.store import Store
from iris.domain.events import Event
from iris.domain.fleet import BootPhase
from iris.domain.jobs import Attempt, Job, JobSpec, Task
from iris.domain.resources import Resources
from iris.domain.states import JobState, TaskState

ANY_JOB = JobFilter()
ANY_EVENT = EventFilter()
NO_BOUND = 1 << 62


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "iris.db", "controller mine")
    made.load()
    yield made
    made.close()


@pytest.fixture
def archive(store: Store, tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path / "iris.db")
    yield made
    made.close()


class Writer:
    """Hands rows to the store, each its own commit."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seq = 0

    def keep(self, table: str, entity: object, *key: str | int) -> None:
        self._seq += 1
        self._store.append(self._seq, [(table, key, entity)], [])
        self._store.wait_durable(self._seq, 10.0)

    def event(self, **fields: str) -> Event:
        self._seq += 1
        event = Event(self._seq, 1.0, "something", **fields)
        self._store.append(self._seq, [], [event])
        self._store.wait_durable(self._seq, 10.0)
        return event


@pytest.fixture
def writer(store: Store) -> Writer:
    return Writer(store)


def a_job(
    number: int, state: JobState | None = JobState.SUCCEEDED, user: str = "me"
) -> Job:
    return Job(
        uid=f"j-{number}",
        spec=JobSpec(command=("true",), name=f"name-{number}"),
        user=user,
        client_id=f"c-{number}",
        submitted_at=float(number),
        order=number,
        ended_at=9.0 if state else 0.0,
        final_state=state,
    )


def keep_jobs(writer: Writer, *jobs: Job) -> None:
    for job in jobs:
        writer.keep("jobs", job, job.uid)


def test_a_job_is_found_by_its_uid_whether_it_has_ended_or_not(archive, writer):
    live, ended = a_job(1, state=None), a_job(2)
    keep_jobs(writer, live, ended)

    assert archive.job("j-1") == live
    assert archive.job("j-2") == ended
    assert archive.job("j-3") is None


def test_ended_jobs_come_newest_first_and_in_pages(archive, writer):
    jobs = [a_job(n) for n in range(1, 6)]
    keep_jobs(writer, *jobs, a_job(6, state=None))

    first = archive.ended_jobs(ANY_JOB, NO_BOUND, 2)
    second = archive.ended_jobs(ANY_JOB, first[-1].order, 2)
    third = archive.ended_jobs(ANY_JOB, second[-1].order, 2)

    between = archive.ended_jobs(ANY_JOB, 5, 9, after=2)

    assert [j.order for j in first + second + third] == [5, 4, 3, 2, 1]
    assert [j.order for j in between] == [4, 3]


def test_ended_jobs_are_filtered(archive, writer):
    failed, theirs = a_job(1, JobState.FAILED), a_job(2, user="them")
    keep_jobs(writer, failed, theirs, a_job(3))

    def ask(**wanted: object) -> tuple[Job, ...]:
        return archive.ended_jobs(JobFilter(**wanted), NO_BOUND, 10)

    assert ask(state=JobState.FAILED) == (failed,)
    assert ask(user="them") == (theirs,)
    assert ask(name="name-1") == (failed,)
    assert ask(name="name-1", user="them") == ()


def test_tasks_come_in_order_of_their_index(archive, writer):
    tasks = [Task("j-1", n, TaskState.SUCCEEDED) for n in range(12)]
    for task in reversed(tasks):
        writer.keep("tasks", task, "j-1", task.index)

    assert archive.tasks("j-1", 2, 11) == tuple(tasks[2:11])
    assert archive.tasks("j-2", 0, 5) == ()


def test_tasks_are_counted_anew_while_their_job_lives_and_once_after(archive, writer):
    lives, has_ended = a_job(1, state=None), a_job(1, JobState.FAILED)
    writer.keep("tasks", Task("j-1", 0, TaskState.RUNNING), "j-1", 0)
    assert archive.task_counts(lives) == {TaskState.RUNNING: 1}

    writer.keep("tasks", Task("j-1", 0, TaskState.SUCCEEDED), "j-1", 0)
    writer.keep("tasks", Task("j-1", 1, TaskState.FAILED), "j-1", 1)

    counts = {TaskState.SUCCEEDED: 1, TaskState.FAILED: 1}
    assert archive.task_counts(has_ended) == counts
    assert archive.task_counts(has_ended) == counts
    assert archive.task_counts(a_job(2, JobState.FAILED)) == {}


def an_attempt(uid: str, index: int, number: int) -> Attempt:
    return Attempt(uid, "j-1", index, number, "w-1", "s-1", 0, Resources(1.0))


def test_attempts_are_found_by_task_and_by_uid(archive, writer):
    attempts = [an_attempt(f"a-{n}", 0, n) for n in (2, 0, 1)]
    other = an_attempt("a-9", 1, 0)
    for attempt in (*attempts, other):
        writer.keep("attempts", attempt, attempt.uid)

    assert [a.number for a in archive.attempts("j-1", 0)] == [0, 1, 2]
    assert archive.attempts_by_uid(["a-9", "a-8"]) == {"a-9": other}
    assert archive.attempts_by_uid([f"b-{n}" for n in range(2500)]) == {}


def test_events_are_read_forwards_from_a_number_and_from_their_end(archive, writer):
    first, second, third = (
        writer.event(job_uid="j-1"),
        writer.event(slice_name="s-1"),
        writer.event(job_uid="j-1", slice_name="s-1"),
    )

    assert archive.events(ANY_EVENT, 0, 10) == (first, second, third)
    assert archive.events(ANY_EVENT, first.seq, 1) == (second,)
    assert archive.events(EventFilter(job_uid="j-1"), 0, 10) == (first, third)
    assert archive.events(EventFilter(slice_name="s-1"), 0, 10) == (second, third)
    both = EventFilter(job_uid="j-1", slice_name="s-1")
    assert archive.events(both, 0, 10) == (third,)
    assert archive.newest_events(ANY_EVENT, 2) == (second, third)


def test_the_phases_of_a_boot_come_in_order(archive, writer):
    phases = [BootPhase("s-1", n % 2, f"phase {n}", float(n)) for n in range(4)]
    for n, phase in enumerate(phases):
        writer.keep("phases", phase, "s-1", phase.index, n)

    assert archive.phases("s-1") == tuple(phases)
    assert archive.phases("s-2") == ()


def test_many_threads_read_while_the_store_writes(archive, writer):
    faults: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                numbers = [e.seq for e in archive.events(ANY_EVENT, 0, 1000)]
                assert numbers == list(range(1, len(numbers) + 1))
        except BaseException as fault:
            faults.append(fault)
            raise

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        writer.event()
    stop.set()
    for thread in threads:
        thread.join()

    assert faults == []
    assert len(archive.events(ANY_EVENT, 0, 1000)) == 50


def test_the_archive_cannot_write(archive, tmp_path):
    engine = open_for_reading(tmp_path / "iris.db")

    with (
        engine.connect() as connection,
        pytest.raises(OperationalError, match="readonly"),
    ):
        connection.exec_driver_sql("DELETE FROM events")

    engine.dispose()
