"""What was accepted survives; what cannot be kept ends the process with its reason."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from iris.controller.journal import Restored
from iris.controller.rows import KEPT, PUT_EVENT
from iris.controller.schema import EVENTS, METADATA
from iris.controller.store import Store
from iris.domain.access import Grant, Role
from iris.domain.events import Event
from iris.domain.fleet import Backoff, BootPhase, Slice, Worker
from iris.domain.jobs import Answered, Attempt, Capacity, Job, JobSpec, Task
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, JobState, SliceState, TaskState
from iris.errors import Late, StoreFailed
from tests.controller.conftest import Open
from tests.support.eventually import eventually


def a_job(uid: str = "j-1", **changes: object) -> Job:
    spec = JobSpec(command=("true",), name=f"name-of-{uid}", tasks=4)
    return Job(uid, spec, "me", f"c-{uid}", submitted_at=1.0, order=1, **changes)


def an_attempt(uid: str, job_uid: str = "j-1", **changes: object) -> Attempt:
    number = int(uid.rpartition("-")[2])
    ordinary = {"worker_uid": "w-1", "slice_name": "s-1", "worker_index": 0}
    return Attempt(
        uid, job_uid, 0, number, resources=Resources(1.0), **(ordinary | changes)
    )


def a_slice(name: str, state: SliceState = SliceState.READY) -> Slice:
    return Slice(name, f"uid-{name}", "cpu", "local", Capacity.SPOT, 1, state)


def a_worker(uid: str, slice_name: str) -> Worker:
    return Worker(uid, slice_name, 0, "b", "127.0.0.1", 1, Resources(), "h", 1.0)


def keep(store: Store, seq: int, *rows: object, events: tuple[Event, ...] = ()) -> None:
    store.append(seq, rows, events)
    store.wait_durable(seq, 10.0)


def row(table: str, entity: object, *key: str | int) -> tuple[object, ...]:
    return table, key, entity


def test_a_new_database_is_empty(opened: Open):
    _, restored = opened()

    assert restored == Restored()


def test_all_that_lives_comes_back_after_a_restart(opened: Open):
    store, _ = opened()
    job, task = a_job(), Task("j-1", 2, TaskState.RUNNING, attempt_uid="a-1")
    attempt, slice_ = an_attempt("a-1"), a_slice("s-1")
    worker = a_worker("w-1", "s-1")
    grant = Grant("hash", Role.USER, "me")
    backoff = Backoff("cpu", "local", 2, 9.0, "quota-full", "words")
    answered = Answered("c-2", "j-1")
    phases = [BootPhase("s-1", 0, name, 1.0) for name in ("image", "agent")]

    keep(
        store,
        7,
        row("jobs", job, "j-1"),
        row("tasks", task, "j-1", 2),
        row("attempts", attempt, "a-1"),
        row("slices", slice_, "s-1"),
        row("workers", worker, "w-1"),
        row("grants", grant, "hash"),
        row("backoffs", backoff, "cpu", "local"),
        row("meta", "value", "key"),
        row("answered", answered, "c-2"),
        *(row("phases", p, "s-1", 0, n) for n, p in enumerate(phases)),
    )

    assert opened()[1] == Restored(
        seq=7,
        jobs=(job,),
        tasks=(task,),
        attempts=(attempt,),
        slices=(slice_,),
        workers=(worker,),
        grants=(grant,),
        backoffs=(backoff,),
        phases=tuple(phases),
        meta={"key": "value"},
        names={"name-of-j-1": "j-1"},
        client_ids={"c-j-1": "j-1"},
        answered=(answered,),
    )


def test_what_has_ended_stays_in_the_database_only(opened: Open):
    store, _ = opened()
    ended = a_job(ended_at=5.0, final_state=JobState.SUCCEEDED)

    keep(
        store,
        1,
        row("jobs", ended, "j-1"),
        row("tasks", Task("j-1", 0, TaskState.SUCCEEDED), "j-1", 0),
        row("attempts", an_attempt("a-1", state=AttemptState.SUCCEEDED), "a-1"),
        row("slices", a_slice("s-1", SliceState.DELETED), "s-1"),
        row("workers", a_worker("w-1", "s-1"), "w-1"),
        row("phases", BootPhase("s-1", 0, "image", 1.0), "s-1", 0, 0),
    )

    _, restored = opened()
    assert restored == Restored(
        seq=1, names={"name-of-j-1": "j-1"}, client_ids={"c-j-1": "j-1"}
    )


def test_ended_attempts_come_back_only_with_their_gang(opened: Open):
    store, _ = opened()
    lost = AttemptState.LOST
    alone, member = an_attempt("a-1", state=lost), an_attempt("a-2", state=lost)
    member = an_attempt("a-2", state=lost, gang_uid="g-1")

    keep(
        store,
        1,
        row("jobs", a_job(), "j-1"),
        row("attempts", alone, "a-1"),
        row("attempts", member, "a-2"),
    )

    assert opened()[1].attempts == (member,)


def test_the_last_write_to_a_key_stays(opened: Open):
    store, _ = opened()

    for seq in range(1, 200):
        store.append(seq, [row("meta", str(seq), "key")], [])
    keep(store, 200, row("meta", "last", "key"))

    assert opened()[1].meta == {"key": "last"}


def test_dropped_rows_are_gone(opened: Open):
    store, _ = opened()
    backoff = Backoff("cpu", "local", 2, 9.0, "quota-full", "words")
    keep(
        store,
        1,
        row("meta", "value", "key"),
        row("grants", Grant("hash", Role.USER, "me"), "hash"),
        row("backoffs", backoff, "cpu", "local"),
        row("jobs", a_job(), "j-1"),
        row("attempts", an_attempt("a-1"), "a-1"),
    )

    keep(
        store,
        2,
        row("meta", None, "key"),
        row("grants", None, "hash"),
        row("backoffs", None, "cpu", "local"),
        row("attempts", None, "a-1"),
        row("meta", "other", "other"),
    )

    _, restored = opened()
    assert (restored.grants, restored.backoffs, restored.attempts) == ((), (), ())
    assert restored.meta == {"other": "other"}


def test_close_commits_what_is_pending(opened: Open):
    store, _ = opened()
    for seq in range(1, 1001):
        store.append(seq, [row("meta", str(seq), f"key-{seq}")], [])

    _, restored = opened()

    assert restored.seq == 1000
    assert len(restored.meta) == 1000


def test_many_threads_wait_for_one_commit(opened: Open):
    store, _ = opened()
    seen: list[int] = []

    def wait(seq: int) -> None:
        store.wait_durable(seq, 10.0)
        seen.append(store.durable_seq)

    threads = [threading.Thread(target=wait, args=(seq,)) for seq in range(1, 33)]
    for thread in threads:
        thread.start()
    for seq in range(1, 33):
        store.append(seq, [row("meta", "v", str(seq))], [])
    for thread in threads:
        thread.join()

    assert len(seen) == 32
    assert store.durable_seq == 32


def test_a_wait_that_ends_too_soon_says_how_far_it_came(opened: Open):
    store, _ = opened()
    keep(store, 3, row("meta", "v", "k"))

    with pytest.raises(Late, match=r"change 4 is not durable.*newest that is: 3"):
        store.wait_durable(4, 0.01)


def test_events_are_kept_up_to_their_bound(database, opened: Open):
    store, _ = opened(keep_events=100)
    for seq in range(1, 1001):
        store.append(seq, [], [Event(seq, 1.0, "something")])
    store.wait_durable(1000, 10.0)

    assert _sequence_numbers(database) == list(range(901, 1001))


def test_a_lowered_bound_takes_effect_in_steps(database, opened: Open):
    store, _ = opened()
    events = [Event(seq, 1.0, "something") for seq in range(1, 2001)]
    keep(store, 2000, events=tuple(events))
    store, _ = opened(keep_events=10)

    for seq in range(2001, 2011):
        keep(store, seq, events=(Event(seq, 1.0, "something"),))

    assert _sequence_numbers(database) == list(range(2001, 2011))


def test_an_event_number_used_twice_ends_the_store(opened: Open):
    failures: list[StoreFailed] = []
    store, _ = opened(on_failure=failures.append)
    event = Event(1, 1.0, "something")
    keep(store, 1, events=(event,))

    store.append(2, [], [event])

    with pytest.raises(StoreFailed, match="UNIQUE constraint failed"):
        store.wait_durable(2, 10.0)
    assert eventually(lambda: len(failures) == 1)


def test_a_row_that_cannot_be_kept_fails_its_whole_commit(database, opened: Open):
    store, _ = opened()
    keep(store, 1, row("meta", "v", "k"))

    store.append(2, [row("meta", "new", "k"), row("jobs", object(), "j-1")], [])

    with pytest.raises(StoreFailed):
        store.wait_durable(2, 10.0)
    _, restored = opened()
    assert (restored.seq, restored.meta) == (1, {"k": "v"})


def test_a_closed_store_says_so(opened: Open):
    store, _ = opened()
    store.close()
    store.append(1, [row("meta", "v", "k")], [])

    with pytest.raises(StoreFailed, match="closed"):
        store.wait_durable(1, 10.0)


def _sequence_numbers(database: Path) -> list[int]:
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT seq FROM events ORDER BY seq").fetchall()
    return [seq for (seq,) in found]


def test_values_stand_in_the_order_of_the_columns():
    for name, kept in KEPT.items():
        columns = ", ".join(f'"{c.name}"' for c in METADATA.tables[name].columns)
        assert kept.put.replace('"', "").startswith(
            f"INSERT INTO {name} ({columns})".replace('"', "")
        )
    assert ", ".join(c.name for c in EVENTS.columns) in PUT_EVENT
