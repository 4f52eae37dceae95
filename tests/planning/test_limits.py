"""What one user may have at once holds of every plan, gangs and losses included."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from iris.domain.resources import UserLimits
from iris.planning.plans import SchedulingPlan
from iris.planning.scheduler import in_line, plan_assignments
from iris.planning.snapshot import Held, PendingJob, Snapshot
from tests.planning.clusters import snapshots, started
from tests.support.builders import (
    NOW,
    a_gang_job,
    a_job,
    a_slice,
    a_snapshot,
    a_tpu_group,
    resources,
)

USERS = ("ann", "bob")
TPU_4, TPU_8 = a_tpu_group(1), a_tpu_group(2)


@st.composite
def limited_snapshots(draw: Any) -> Snapshot:
    """A cluster whose work is that of two users, who may hold too much already."""
    base = draw(snapshots())
    pending = [
        replace(each, job=replace(each.job, user=draw(st.sampled_from(USERS))))
        for each in base.pending
    ]
    held = [
        Held(user, draw(st.integers(0, 12)), draw(st.integers(0, 24)))
        for user in draw(st.sampled_from([(), USERS[:1], USERS]))
    ]
    limits = UserLimits(draw(st.sampled_from([0, 4, 8, 20])), draw(st.integers(0, 9)))
    return replace(base, pending=tuple(pending), held=tuple(held), user_limits=limits)


@settings(max_examples=40)
@given(limited_snapshots())
def test_no_user_gets_more_than_the_limits_allow(snapshot: Snapshot) -> None:
    plan = plan_assignments(snapshot, NOW)

    before = {held.user: held for held in snapshot.held}
    limits = snapshot.user_limits
    for held in held_after(snapshot, plan):
        was = before.get(held.user, Held(held.user, 0, 0))
        assert not limits.running_tasks or held.tasks <= max(
            limits.running_tasks, was.tasks
        )
        assert not limits.chips or held.chips <= max(limits.chips, was.chips)


@settings(max_examples=40)
@given(limited_snapshots())
def test_round_after_round_no_user_gets_more(snapshot: Snapshot) -> None:
    now, limits = replace(snapshot, held=()), snapshot.user_limits
    for _ in range(3):
        plan = plan_assignments(now, NOW)
        now = replace(started(now, plan), held=held_after(now, plan))

    assert all(not limits.chips or h.chips <= limits.chips for h in now.held)
    most = limits.running_tasks
    assert all(not most or held.tasks <= most for held in now.held)


@settings(max_examples=40)
@given(limited_snapshots())
def test_gangs_start_whole_or_not_at_all_under_limits(snapshot: Snapshot) -> None:
    plan = plan_assignments(snapshot, NOW)

    tasks = {each.job.uid: each.job.spec.tasks for each in snapshot.pending}
    for placement in plan.placements:
        assert not placement.gang or len(placement.tasks) == tasks[placement.job_uid]


@settings(max_examples=40)
@given(limited_snapshots())
def test_every_task_that_a_limit_holds_back_hears_of_it(snapshot: Snapshot) -> None:
    plan = plan_assignments(snapshot, NOW)

    placed = Counter({p.job_uid: len(p.tasks) for p in plan.placements})
    told = {waiting.job_uid for waiting in plan.waiting}
    for pending in snapshot.pending:
        uid = pending.job.uid
        assert placed[uid] >= pending.ready_count or uid in told


@settings(max_examples=40)
@given(limited_snapshots())
def test_nothing_younger_of_a_user_overtakes_what_the_chips_hold_back(
    snapshot: Snapshot,
) -> None:
    plan = plan_assignments(snapshot, NOW)

    because = {waiting.job_uid: waiting.because for waiting in plan.waiting}
    placed = {placement.job_uid for placement in plan.placements}
    held_back: set[str] = set()
    for pending in in_line(snapshot.pending):
        job = pending.job
        if job.spec.resources.chips and job.uid in placed:
            assert job.user not in held_back
        if "(user_limits/chips)" in because.get(job.uid, ""):
            held_back.add(job.user)


@settings(max_examples=40)
@given(limited_snapshots())
def test_without_limits_nobody_looks_at_who_holds_what(snapshot: Snapshot) -> None:
    free = replace(snapshot, user_limits=UserLimits())

    assert plan_assignments(free, NOW) == plan_assignments(replace(free, held=()), NOW)


def test_small_work_of_a_user_does_not_starve_a_gang_that_the_limit_holds_back():
    """Chips that one small task gave back went to the next small task, for ever."""
    gang = a_gang_job(2, "gang")
    need = {"resources": resources(1, 1, 4), "accelerator": "v5litepod-4"}
    small, other = a_job("small", tasks=5, **need), a_job("other", user="bob", **need)
    slices = [a_slice(TPU_8), a_slice(TPU_4), a_slice(TPU_4)]
    snapshot = a_snapshot(TPU_8, TPU_4, slices=slices, pending=[gang, small, other])
    limits, held = UserLimits(chips=8), (Held("ann", 1, 4),)

    waits = plan_assignments(replace(snapshot, user_limits=limits, held=held), NOW)
    starts = plan_assignments(replace(snapshot, user_limits=limits), NOW)

    assert _placed(waits) == {other.uid: 1}
    assert _words(waits) == {
        gang.uid: "ann has 4 chips at work or next in line, of 8 that one user may "
        "have (user_limits/chips)",
        small.uid: "ann has 4 chips at work or next in line, of 8 that one user may "
        "have (user_limits/chips); job gang comes first",
    }
    assert _placed(starts) == {gang.uid: 2, other.uid: 1}


def held_after(snapshot: Snapshot, plan: SchedulingPlan) -> tuple[Held, ...]:
    """What users hold once a plan is carried out."""
    jobs: dict[str, PendingJob] = {each.job.uid: each for each in snapshot.pending}
    tasks = Counter({held.user: held.tasks for held in snapshot.held})
    chips = Counter({held.user: held.chips for held in snapshot.held})
    for placement in plan.placements:
        job = jobs[placement.job_uid].job
        tasks[job.user] += len(placement.tasks)
        chips[job.user] += len(placement.tasks) * job.spec.resources.chips
    return tuple(Held(user, tasks[user], chips[user]) for user in sorted(tasks))


def _placed(plan: SchedulingPlan) -> dict[str, int]:
    return {each.job_uid: len(each.tasks) for each in plan.placements}


def _words(plan: SchedulingPlan) -> dict[str, str]:
    return {each.job_uid: each.because for each in plan.waiting}
