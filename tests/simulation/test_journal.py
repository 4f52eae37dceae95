"""The journal of the simulation: a crash forgets what was not durable."""

from __future__ import annotations

import pytest

from iris.domain.events import Event
from iris.domain.states import TaskState
from iris.simulation.journal import MemoryJournal
from tests.support.fleet import CPU, Fleet

EVENT = Event(seq=1, at=0.0, kind="tested")


def test_what_was_waited_for_survives_a_crash_and_the_rest_does_not():
    journal = MemoryJournal()
    journal.append(1, [("meta", ("a",), "kept")], [EVENT])
    journal.wait_durable(1)
    journal.append(2, [("meta", ("b",), "forgotten")], [EVENT])

    forgotten = journal.crash()

    assert forgotten == 1
    assert journal.load().meta == {"a": "kept"}
    assert journal.load().seq == 1


def test_a_commit_may_reach_the_disk_in_part_but_in_order():
    journal = MemoryJournal()
    for seq in (1, 2, 3):
        journal.append(seq, [("meta", (f"key-{seq}",), "x")], [EVENT])

    assert journal.crash(survivors=2) == 1
    assert list(journal.load().meta) == ["key-1", "key-2"]


def test_a_row_is_read_before_it_is_durable_and_deleted_rows_are_gone():
    journal = MemoryJournal()
    journal.append(1, [("meta", ("a",), "1")], [EVENT])

    assert journal.row("meta", "a") == "1"
    assert journal.durable_seq == 0

    journal.append(2, [("meta", ("a",), None)], [EVENT])
    with pytest.raises(KeyError):
        journal.row("meta", "a")


def test_a_restored_state_goes_on_where_the_former_stood():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(tasks=3)
    fleet.place(job, worker)

    fleet.restart()

    assert fleet.task_state(job, 0) is TaskState.ASSIGNED
    assert fleet.task_state(job, 2) is TaskState.PENDING
    with fleet.state.reading() as tables:
        assert list(tables.workers) == [worker.uid]
