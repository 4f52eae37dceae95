"""What rows, listings and deadlines ask of slices."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iris.domain.fleet import Slice
from iris.domain.states import SLICE_MOVES, SliceState, WorkerState
from iris.planning.lifecycle import plan_lifecycle
from iris.planning.orphans import (
    LISTING_LAG,
    ORPHAN_GRACE,
    UNCLEAR_GRACE,
    Seen,
    Sighted,
)
from iris.planning.plans import LifecyclePlan, Orphan, Release, Sighting
from tests.support.builders import (
    NOW,
    a_gang,
    a_gang_job,
    a_group,
    a_slice,
    a_snapshot,
    a_tpu_group,
    a_worker,
    failed,
    workers_of,
)

S = SliceState
CPU = a_group(create_timeout=600.0, boot_timeout=900.0)


def seen(row: Slice, phase: str = "up", **changes: Any) -> Seen:
    ordinary = {"uid": row.uid, "group": row.group, "zone": row.zone, "phase": phase}
    return Seen(name=row.name, **(ordinary | changes))


def plan(
    row: Slice, *listed: Seen, listing: bool = True, workers: Any = (), **changes: Any
) -> LifecyclePlan:
    snapshot = a_snapshot(CPU, slices=[row], workers=workers, **changes)
    return plan_lifecycle(snapshot, Sighted(NOW, listed) if listing else None, NOW)


def moved_to(plan: LifecyclePlan) -> SliceState | None:
    assert len(plan.moves) <= 1
    return plan.moves[0].to if plan.moves else None


@pytest.mark.parametrize(
    ("state", "phase", "to"),
    [
        (S.REQUESTED, "creating", S.CREATING),
        (S.REQUESTED, "up", S.BOOTING),
        (S.CREATING, "up", S.BOOTING),
        (S.CREATING, "creating", None),
        (S.BOOTING, "up", None),
        (S.READY, "creating", None),
        (S.REQUESTED, "preempted", S.FAILED),
        (S.CREATING, "preempted", S.PREEMPTED),
        (S.READY, "preempted", S.PREEMPTED),
        (S.DRAINING, "preempted", S.PREEMPTED),
        (S.REQUESTED, "stopped", S.FAILED),
        (S.READY, "stopped", S.FAILED),
        (S.READY, "deleting", S.FAILED),
        (S.DELETING, "deleting", None),
        (S.DELETING, "stopped", None),
        (S.FAILED, "up", S.DELETING),
        (S.PREEMPTED, "preempted", S.DELETING),
        *((state, "unclear", None) for state in (S.CREATING, S.BOOTING, S.READY)),
    ],
)
def test_what_the_cloud_says_moves_a_slice(state: S, phase: str, to: S | None) -> None:
    row = a_slice(CPU, state=state, created_at=NOW - 90, booting_at=NOW - 80)
    workers = workers_of(row, CPU, live=1)

    assert moved_to(plan(row, seen(row, phase), workers=workers)) == to


@pytest.mark.parametrize("state", [S.READY, S.DRAINING, S.DELETING])
def test_what_ran_on_a_slice_that_is_over_waits_for_no_absence(state: S) -> None:
    row = a_slice(CPU, state=state, created_at=NOW - 90, booting_at=NOW - 80)
    busy, idle = workers_of(row, CPU, live=1), workers_of(row, CPU, live=0)
    over = seen(row, "preempted", words="PREEMPTED", is_over=True)

    because = "the cloud says that it works no more: PREEMPTED"
    assert plan(row, over, workers=busy).releases == (Release(row.name, because),)
    assert plan(row, over, workers=idle).releases == ()
    assert plan(row, seen(row, "preempted"), workers=busy).releases == ()
    namesake = replace(over, uid="somebody-else")
    assert plan(row, namesake, workers=busy).releases == ()


def test_no_listing_asks_for_a_move_that_the_table_has_not() -> None:
    phases = ["creating", "up", "stopped", "preempted", "deleting", "unclear"]
    for state in set(S) - {S.DELETED}:
        for missed in (0, 5):
            row = a_slice(CPU, state=state, missed=missed, requested_at=0.0)
            plans = [plan(row, seen(row, phase)) for phase in phases]
            plans += [plan(row), plan(row, listing=False), plan(row, draining="bye")]
            for to in filter(None, map(moved_to, plans)):
                assert to in SLICE_MOVES[state]


def test_one_listing_without_a_slice_proves_nothing() -> None:
    row = a_slice(CPU)

    first = plan(row)
    second = plan(replace(row, missed=1))

    assert (first.moves, first.sightings) == ((), (Sighting(row.name, False),))
    assert moved_to(second) is S.FAILED
    assert second.moves[0].because == "vanished: absent from 2 listings"


def test_a_slice_that_was_accepted_just_now_may_be_listed_late() -> None:
    row = a_slice(CPU, state=S.CREATING, created_at=NOW - LISTING_LAG + 1, missed=1)

    assert plan(row).sightings == ()
    assert plan(row).moves == ()
    assert moved_to(plan(replace(row, created_at=NOW - LISTING_LAG))) is S.FAILED


def test_a_zone_that_could_not_be_listed_says_nothing_of_its_slices() -> None:
    row = a_slice(CPU, missed=1)
    snapshot = a_snapshot(CPU, slices=[row])

    listing = Sighted(NOW, (), frozenset({row.zone}))
    plan = plan_lifecycle(snapshot, listing, NOW)

    assert (plan.moves, plan.sightings) == ((), ())


def test_a_namesake_under_another_uid_is_not_the_slice() -> None:
    row = a_slice(CPU, missed=1)

    plan_ = plan(row, seen(row, "up", uid="somebody-else"))

    assert plan_.sightings == (Sighting(row.name, False),)
    assert moved_to(plan_) is S.FAILED
    assert plan_.orphans == ()


def test_a_deletion_ends_with_an_absence_seen_twice() -> None:
    row = a_slice(CPU, state=S.DELETING, deleting_at=NOW - 5, because="idle")

    assert moved_to(plan(row, seen(row, "deleting"))) is None
    assert moved_to(plan(row)) is None
    assert moved_to(plan(replace(row, missed=1))) is S.DELETED
    assert moved_to(plan(replace(row, missed=1), listing=False)) is None


def test_a_refused_creation_is_confirmed_absent_by_listings_after_the_refusal() -> None:
    row = a_slice(CPU, state=S.DELETING, created_at=0.0, deleting_at=NOW, missed=1)

    assert moved_to(plan(row)) is S.DELETED
    assert moved_to(plan(replace(row, deleting_at=NOW + 1))) is None


def test_a_drained_slice_is_deleted_once_nothing_lives_on_it() -> None:
    row = a_slice(CPU, state=S.DRAINING)

    busy = plan(row, seen(row), workers=workers_of(row, CPU, live=1))
    idle = plan(row, seen(row), workers=workers_of(row, CPU))

    assert (moved_to(busy), moved_to(idle)) == (None, S.DELETING)


def test_a_drained_slice_stays_until_the_end_of_its_gang_is_judged() -> None:
    tpu, job = a_tpu_group(1), a_gang_job(1)
    row = a_slice(tpu, state=S.DRAINING)
    snapshot = a_snapshot(tpu, slices=[row], gangs=(a_gang(job, row, task_0=failed()),))

    assert plan_lifecycle(snapshot, None, NOW).moves == ()


@pytest.mark.parametrize("state", [S.BOOTING, S.READY, S.DRAINING])
def test_a_slice_with_a_lost_worker_has_failed(state: S) -> None:
    row = a_slice(CPU, state=state)
    lost = a_worker(row, CPU, uid="w-7", state=WorkerState.LOST, live=1)

    plan_ = plan(row, seen(row), workers=[lost])

    assert moved_to(plan_) is S.FAILED
    assert plan_.moves[0].because == "worker 0 lost (w-7)"


def test_a_slice_with_a_draining_worker_drains() -> None:
    row = a_slice(CPU)
    told = a_worker(row, CPU, draining="the machine will be preempted")

    assert moved_to(plan(row, seen(row), workers=[told])) is S.DRAINING


@pytest.mark.parametrize(
    ("state", "seconds", "backoff"),
    [
        (S.REQUESTED, 600, "create-late"),
        (S.CREATING, 600, "create-late"),
        (S.BOOTING, 900, "boot-late"),
    ],
)
def test_each_step_of_a_boot_has_a_deadline(
    state: S, seconds: float, backoff: str
) -> None:
    since = NOW - seconds
    times: Any = {"requested_at": since, "created_at": since, "booting_at": since}
    row = a_slice(CPU, state=state, **times)
    later = {name: at + 1 for name, at in times.items()}
    in_time = plan(replace(row, **later), listing=False)

    plan_ = plan(row, listing=False)

    assert (moved_to(plan_), plan_.moves[0].backoff) == (S.FAILED, backoff)
    assert (moved_to(in_time), in_time.next_at) == (None, NOW + 1)


def test_a_controller_that_was_away_gives_a_boot_its_time_again() -> None:
    row = a_slice(CPU, state=S.BOOTING, booting_at=NOW - 5000)

    plan_ = plan(row, listing=False, stalled_until=NOW - 100)

    assert (plan_.moves, plan_.next_at) == ((), NOW + 800)


def test_slices_on_their_way_are_given_up_when_the_cluster_drains() -> None:
    row = a_slice(CPU, state=S.CREATING)

    assert moved_to(plan(row, seen(row), draining="by ann")) is S.DELETING


def test_slices_on_their_way_for_a_group_that_is_gone_are_given_up() -> None:
    row = a_slice(a_group("old"), state=S.BOOTING)

    assert moved_to(plan(row, seen(row))) is S.DELETING


@pytest.mark.parametrize(
    ("phase", "age", "is_orphan"),
    [
        ("up", ORPHAN_GRACE, True),
        ("up", ORPHAN_GRACE - 1, False),
        ("stopped", ORPHAN_GRACE, True),
        ("unclear", ORPHAN_GRACE, False),
        ("unclear", UNCLEAR_GRACE, True),
        ("deleting", 9999, False),
    ],
)
def test_what_has_no_row_is_an_orphan_after_its_grace(
    phase: str, age: float, is_orphan: bool
) -> None:
    other = Seen("iris-cpu-x", "s-x", "cpu", "z", phase, created_at=NOW - age)

    plan = plan_lifecycle(a_snapshot(CPU), Sighted(NOW, (other,)), NOW)

    assert [each.slice_name for each in plan.orphans] == [other.name] * is_orphan
    if is_orphan:
        because = f"{phase} for longer than {age:.0f} s without a row"
        assert plan.orphans == (Orphan(other.name, "z", because),)
