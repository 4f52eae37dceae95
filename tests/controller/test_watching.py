"""What a creation ends with, and what a slice that is over means for its work."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from iris.controller.asking import Pace
from iris.controller.watching import INTERVAL
from iris.domain.states import SliceState, TaskState
from iris.errors import OutOfCapacity, Unavailable
from iris.providers.contract import Phase
from tests.support.autoscaled import Cluster
from tests.support.fleet import CPU

PACE = Pace()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def a_slice_that_comes(cluster: Cluster) -> str:
    """Accepted, and shown as being created; its name."""
    cluster.cloud.phase = Phase.CREATING
    cluster.fleet.submit()
    cluster.turn_and_answer()
    assert cluster.slice().state is SliceState.CREATING
    return cluster.slice().name


def test_a_stockout_told_minutes_after_the_create_is_named_and_holds_back(
    cluster: Cluster,
):
    name = a_slice_that_comes(cluster)
    del cluster.cloud.slices[name]
    cluster.cloud.failed_creations[f"creation-of-{name}"] = OutOfCapacity("no more")

    made = cluster.turn_and_answer(after=90.0)

    assert f"watch {name}" in made
    with cluster.fleet.state.reading() as tables:
        (backoff,) = tables.backoffs.values()
    assert (backoff.kind, backoff.words) == ("out-of-capacity", "no more")
    given_up = next(s for s in cluster.slices() if s.name == name)
    assert given_up.state is SliceState.DELETING
    assert "out-of-capacity: no more" in given_up.because


def test_a_creation_is_still_asked_after_by_a_controller_that_restarted(
    cluster: Cluster,
):
    name = a_slice_that_comes(cluster)
    cluster.fleet.restart()
    cluster.open()

    assert f"watch {name}" in cluster.turn_and_answer()


def test_a_question_that_fails_says_nothing_of_the_creation(cluster: Cluster):
    name = a_slice_that_comes(cluster)
    cluster.turn(after=INTERVAL)
    assert list(cluster.calls.waiting) == [f"watch {name}"]
    cluster.cloud.errors = [Unavailable("503")]

    cluster.calls.run()
    cluster.turn()

    assert cluster.slice().state is SliceState.CREATING
    cluster.turn(after=PACE.first_retry)
    assert f"watch {name}" in cluster.calls.waiting


def test_tasks_of_a_preempted_slice_wait_for_no_second_listing(cluster: Cluster):
    (worker,) = cluster.fleet.boot(CPU)
    job = cluster.fleet.submit()
    cluster.fleet.place(job, worker)
    row = cluster.slice()
    cluster.cloud.add(row.name, row.uid, row.group, row.zone)
    taken = replace(cluster.cloud.slices[row.name], phase=Phase.PREEMPTED, is_over=True)
    cluster.cloud.slices[row.name] = taken

    cluster.turn_and_answer()

    with cluster.fleet.state.reading() as tables:
        assert tables.tasks[job.uid].counts() == {TaskState.PENDING: 1}
        assert tables.live_of_slice(row.name) == []
    assert row.name in cluster.cloud.slices


def test_a_deletion_does_not_wait_for_the_answer_of_a_question(cluster: Cluster):
    name = a_slice_that_comes(cluster)
    cluster.turn(after=INTERVAL)
    assert list(cluster.calls.waiting) == [f"watch {name}"]

    cluster.fleet.state.drain_cluster("ada")
    cluster.turn()
    cluster.turn()

    assert f"delete {name}" in cluster.calls.waiting
