"""What was accepted survives; what cannot be kept ends the process with its reason."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from iris.controller.database import open_for_writing
from iris.controller.journal import Restored
from iris.controller.migrations import migrate
from iris.controller.rows import KEPT, PUT_EVENT
from iris.controller.schema import EVENTS, HEAD, METADATA
from iris.controller.store import Store
from iris.domain.access import Grant, Role
from iris.domain.events import Event
from iris.domain.fleet import Backoff, BootPhase, Slice, Worker
from iris.domain.jobs import Attempt, Capacity, Job, JobSpec, Task
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, JobState, SliceState, TaskState
from iris.errors import Held, Late, StoreFailed
from tests.support.eventually import eventually

Open = Callable[..., tuple[Store, Restored]]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "iris.db"


@pytest.fixture
def opened(database: Path) -> Iterator[Open]:
    stores: list[Store] = []

    def open_store(**settings: object) -> tuple[Store, Restored]:
        for store in stores:
            store.close()
        stores[:] = [Store(database, "controller mine", **settings)]
        return stores[0], stores[0].load()

    yield open_store
    for store in stores:
        store.close()


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


def test_a_second_owner_is_refused_and_told_who_holds_it(database, opened: Open):
    opened()

    with pytest.raises(Held, match=r"is held by controller mine \(pid \d+\)"):
        Store(database, "controller other")


def test_the_file_is_free_again_once_its_owner_is_gone(database, opened: Open):
    store, _ = opened()
    store.close()

    Store(database, "controller other").close()


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


def test_commits_reach_the_disk_itself(database):
    engine = open_for_writing(database)
    with engine.connect() as connection:
        ask = connection.exec_driver_sql
        assert ask("PRAGMA journal_mode").scalar_one() == "wal"
        assert ask("PRAGMA synchronous").scalar_one() == 2  # full
    engine.dispose()


def _sequence_numbers(database: Path) -> list[int]:
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT seq FROM events ORDER BY seq").fetchall()
    return [seq for (seq,) in found]


def _run_writer(database: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-m", "tests.support.store_writer", str(database), *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_kill_9_loses_nothing_that_was_said_to_be_durable(database, opened: Open):
    writer = _run_writer(database)
    assert writer.stdout is not None
    said = [int(writer.stdout.readline()) for _ in range(50)]
    writer.kill()
    said += [int(line) for line in writer.stdout.read().split()]
    writer.communicate()

    _, restored = opened()

    assert restored.seq >= said[-1]
    assert {job.uid for job in restored.jobs} >= {f"j-{seq}" for seq in said}


def test_a_full_disk_ends_the_process_with_one_line(database, opened: Open):
    writer = _run_writer(database, "2000000")
    out, err = writer.communicate(timeout=60)

    assert writer.returncode == 3
    assert err.startswith(f"the database {database} failed: ")
    assert len(err.splitlines()) == 1
    said = [int(line) for line in out.split()]
    assert len(said) > 10
    _, restored = opened()
    assert {job.uid for job in restored.jobs} >= {f"j-{seq}" for seq in said}


def test_a_file_that_is_no_database_is_refused(database):
    database.write_bytes(b"words " * 1000)

    with pytest.raises(StoreFailed, match="not a database") as caught:
        Store(database, "controller mine")

    assert "good copy" in caught.value.hint


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StoreFailed, match="No such file"):
        Store(tmp_path / "missing" / "iris.db", "controller mine")


def test_a_database_of_a_newer_version_is_refused(database, opened: Open):
    opened()[0].close()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()

    with pytest.raises(StoreFailed, match="has schema 9999, which this version"):
        Store(database, "controller mine")


def test_migrations_in_a_row_give_the_schema_of_a_new_database(database, tmp_path):
    open_for_writing(database).dispose()
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        migrate(connection)
    engine.dispose()

    assert _schema(tmp_path / "migrated.db") == _schema(database)
    assert _schema(database)["alembic_version"]


def test_the_newest_migration_is_the_one_that_the_schema_names(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        migrate(connection)
        query = "SELECT version_num FROM alembic_version"
        assert connection.exec_driver_sql(query).scalar_one() == HEAD
        assert set(inspect(connection).get_table_names()) == {
            *METADATA.tables,
            "alembic_version",
        }
    engine.dispose()


def test_opening_a_database_of_this_version_does_not_import_alembic(database):
    Store(database, "controller mine").close()
    program = (
        "import sys, pathlib; from iris.controller.store import Store; "
        "Store(pathlib.Path(sys.argv[1]), 'x').close(); "
        "sys.exit('alembic' in sys.modules)"
    )

    subprocess.run((sys.executable, "-c", program, str(database)), check=True)


def test_values_stand_in_the_order_of_the_columns():
    for name, kept in KEPT.items():
        columns = ", ".join(f'"{c.name}"' for c in METADATA.tables[name].columns)
        assert kept.put.replace('"', "").startswith(
            f"INSERT INTO {name} ({columns})".replace('"', "")
        )
    assert ", ".join(c.name for c in EVENTS.columns) in PUT_EVENT


def _schema(database: Path) -> dict[str, str]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
    return {name: "".join((sql or "").split()) for name, sql in rows}
