"""The autoscaler's turn, called without its thread, on a cloud that does as told."""

from __future__ import annotations

import logging

import pytest
from msgspec.structs import replace

from iris.controller.asking import Pace
from iris.controller.journal import Journal
from iris.domain.states import SliceState, WorkerState
from iris.errors import (
    CloudError,
    OutOfCapacity,
    RateLimited,
    StoreFailed,
    Unavailable,
    Unknown,
)
from iris.planning.orphans import LISTING_LAG, ORPHAN_GRACE
from iris.providers.contract import Phase
from tests.support.autoscaled import Cluster
from tests.support.fleet import CPU

PACE = Pace()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_demand_becomes_a_row_and_then_a_call(cluster: Cluster):
    cluster.fleet.submit()

    cluster.turn()

    row = cluster.slice()
    assert row.state is SliceState.REQUESTED
    assert list(cluster.calls.waiting) == [f"create {row.name}", "list"]
    assert [c.group for c in cluster.autoscaling.last_plan.creates] == [CPU.name]


def test_no_call_starts_before_its_row_is_durable(cluster: Cluster):
    fleet = cluster.fleet
    fleet.submit()

    cluster.turn()

    assert fleet.journal.durable_seq == fleet.state.seq


def test_a_row_that_cannot_be_kept_starts_no_call():
    class BrokenJournal:
        def __init__(self, journal: Journal) -> None:
            self._journal = journal
            self.load, self.append = journal.load, journal.append
            self.durable_seq = 0

        def wait_durable(self, seq: int, timeout: float | None = None) -> None:
            raise StoreFailed("the disk is full")

    cluster = Cluster()
    cluster.fleet.journal = BrokenJournal(cluster.fleet.journal)
    cluster.fleet.state = cluster.fleet._open()
    cluster.open()
    cluster.fleet.submit()

    with pytest.raises(StoreFailed):
        cluster.turn()

    assert cluster.calls.waiting == {}


def test_an_accepted_slice_is_creating_and_not_asked_for_again(cluster: Cluster):
    cluster.fleet.submit()
    cluster.turn_and_answer()

    made = cluster.turn_and_answer(after=PACE.listing_interval)

    assert made == ["list"]
    assert list(cluster.cloud.slices) == [cluster.slice().name]


@pytest.mark.parametrize(
    "error", [Unknown("reset by peer"), Unavailable("503"), RateLimited("429")]
)
def test_a_passing_fault_is_asked_again_under_the_same_name(
    cluster: Cluster, error: CloudError
):
    cluster.fleet.submit()
    cluster.turn()
    row = cluster.slice()
    cluster.cloud.errors = [error]
    cluster.calls.run()

    cluster.turn()
    assert f"create {row.name}" not in cluster.calls.waiting
    cluster.turn(after=PACE.first_retry)

    assert f"create {row.name}" in cluster.calls.waiting
    assert cluster.slice().state is SliceState.REQUESTED


def test_no_capacity_holds_the_zone_back_and_gives_the_name_up(cluster: Cluster):
    cluster.fleet.submit()
    cluster.turn()
    row = cluster.slice()
    cluster.cloud.errors = [OutOfCapacity("stockout")]
    cluster.calls.run()

    cluster.turn()

    with cluster.fleet.state.reading() as tables:
        (backoff,) = tables.backoffs.values()
    assert (backoff.kind, backoff.words) == ("out-of-capacity", "stockout")
    given_up = next(s for s in cluster.slices() if s.name == row.name)
    assert given_up.state is SliceState.DELETING
    assert "stockout" in given_up.because


def test_a_deletion_ends_with_a_confirmed_absence(cluster: Cluster):
    cluster.fleet.submit()
    cluster.turn_and_answer()
    row = cluster.slice()
    cluster.fleet.state.drain_cluster("ada")

    made = cluster.turn_and_answer(after=LISTING_LAG)
    assert f"delete {row.name}" in made
    assert cluster.slice().state is SliceState.DELETING
    for _ in range(2):
        cluster.turn_and_answer(after=PACE.listing_interval)

    assert cluster.slices() == []


def test_a_deletion_accepted_without_effect_is_asked_again(cluster: Cluster):
    cluster.fleet.submit()
    cluster.turn_and_answer()
    row = cluster.slice()
    cluster.cloud.ignores_deletions = True
    cluster.fleet.state.drain_cluster("ada")
    cluster.turn_and_answer()

    soon = cluster.turn_and_answer(after=PACE.listing_interval)
    later = cluster.turn_and_answer(after=PACE.delete_again)

    assert f"delete {row.name}" not in soon
    assert f"delete {row.name}" in later


def test_a_deletion_waits_for_the_answer_to_its_creation(cluster: Cluster):
    cluster.fleet.submit()
    cluster.turn()
    row = cluster.slice()
    cluster.fleet.state.drain_cluster("ada")

    cluster.turn()
    assert cluster.slice().state is SliceState.DELETING
    assert f"delete {row.name}" not in cluster.calls.waiting
    cluster.calls.run()
    cluster.turn()

    assert f"delete {row.name}" in cluster.calls.waiting


def test_what_nobody_owns_is_deleted_after_its_grace_and_said_once(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
):
    cluster.cloud.add("test-cpu-stray", "s-stray", CPU.name, "z")

    with caplog.at_level(logging.INFO, "iris.controller"):
        young = cluster.turn_and_answer()
        cluster.turn_and_answer(after=ORPHAN_GRACE)
        cluster.turn_and_answer(after=PACE.listing_interval)
        cluster.turn_and_answer(after=PACE.listing_interval)

    assert young == ["list"]
    assert cluster.cloud.slices == {}
    assert caplog.text.count("orphan found slice=test-cpu-stray") == 1


def test_a_failed_listing_means_unknown_and_never_gone(cluster: Cluster):
    cluster.fleet.submit()
    cluster.turn_and_answer()
    for _ in range(10):
        cluster.cloud.errors = [Unavailable("503")]
        cluster.turn_and_answer(after=PACE.listing_interval)

    assert cluster.slice().state is SliceState.BOOTING
    assert cluster.slice().missed == 0


def test_a_turn_without_change_says_nothing(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
):
    cluster.turn_and_answer()

    with caplog.at_level(logging.INFO, "iris.controller"):
        for _ in range(5):
            cluster.turn_and_answer(after=PACE.listing_interval)

    assert caplog.text == ""


def test_a_restarted_controller_carries_on_with_what_was_intended(cluster: Cluster):
    cluster.fleet.submit()
    cluster.turn()
    row = cluster.slice()
    cluster.calls.waiting.clear()
    cluster.fleet.restart()
    cluster.open()

    made = cluster.turn_and_answer()

    assert f"create {row.name}" in made
    assert cluster.slice().name == row.name


def test_silence_while_the_controller_stood_still_counts_for_nothing(
    cluster: Cluster,
):
    (worker,) = cluster.fleet.boot(CPU)
    cluster.fleet.beat(worker)
    cluster.turn()

    cluster.turn(after=3600.0)

    with cluster.fleet.state.reading() as tables:
        assert tables.workers[worker.uid].state is WorkerState.HEALTHY


def test_the_same_state_at_the_same_time_is_not_planned_twice(cluster: Cluster):
    cluster.turn_and_answer()
    first = cluster.autoscaling.last_plan

    cluster.turn(after=1.0)
    assert cluster.autoscaling.last_plan is first
    cluster.turn(after=PACE.evaluation_interval)

    assert cluster.autoscaling.last_plan is not first


def test_a_slice_that_was_told_another_address_is_told_ours(cluster: Cluster):
    cluster.fleet.submit()
    cluster.turn()
    cluster.turn_and_answer()
    name = cluster.slice().name
    elsewhere = replace(cluster.cloud.slices[name], controller_url="http://10.0.0.9:1")
    cluster.cloud.slices[name] = elsewhere

    cluster.turn_and_answer(after=PACE.listing_interval)
    cluster.cloud.errors = [Unavailable("not while CREATING")]
    refused = cluster.turn_and_answer()
    told = cluster.turn_and_answer(after=PACE.first_retry)

    assert f"announce {name}" in refused
    assert f"announce {name}" in told
    assert cluster.cloud.slices[name].controller_url not in ("", "http://10.0.0.9:1")


@pytest.mark.parametrize("phase", [Phase.PREEMPTED, Phase.STOPPED, Phase.DELETING])
def test_a_slice_that_goes_is_not_told_where_the_controller_is(cluster: Cluster, phase):
    cluster.fleet.submit()
    cluster.turn()
    cluster.turn_and_answer()
    name = cluster.slice().name
    cluster.cloud.slices[name] = replace(
        cluster.cloud.slices[name], controller_url="http://10.0.0.9:1", phase=phase
    )

    cluster.turn_and_answer(after=PACE.listing_interval)

    assert f"announce {name}" not in cluster.turn_and_answer(after=PACE.first_retry)
