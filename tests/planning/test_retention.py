"""What of the past goes: the oldest first, nothing of a live job, and no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from iris.domain.disk import DiskUse
from iris.domain.retention import WhyGone
from iris.planning.retention import (
    BUNDLE_REST,
    GO_ON,
    LOOK_AGAIN,
    MOST_AT_ONCE,
    MOST_TASKS,
    EndedJob,
    Past,
    Removal,
    RetentionBounds,
    plan_retention,
)

NOW = 1_000_000.0
MB, GB = 10**6, 10**9
BOUNDS = RetentionBounds(jobs=10, jobs_for=1000.0, logs=GB, outputs=GB)
ROOMY = DiskUse(50 * GB, 40 * GB)


def a_past(*ended: EndedJob, **others: object) -> Past:
    plain = Past(
        ended=ended,
        live=frozenset(),
        needed=frozenset(),
        log_bytes={},
        output_bytes={},
        bundles={},
        live_bundles=frozenset(),
        disk=ROOMY,
    )
    return replace(plain, **others)


def ended(count: int, **others: object) -> list[EndedJob]:
    return [EndedJob(f"j{n}", NOW - 100 + n, **others) for n in range(count)]


def forgotten(past: Past, bounds: RetentionBounds = BOUNDS) -> list[str]:
    return [job.uid for job in plan_retention(past, bounds, NOW).forget]


def test_within_the_bounds_nothing_goes():
    plan = plan_retention(a_past(*ended(10), log_bytes={"j0": GB}), BOUNDS, NOW)

    assert plan == type(plan)(next_at=NOW + LOOK_AGAIN)


def test_jobs_of_many_tasks_go_one_at_a_time():
    plan = plan_retention(a_past(*ended(12, tasks=MOST_TASKS)), BOUNDS, NOW)

    assert [job.uid for job in plan.forget] == ["j0"]
    assert plan.next_at == NOW + GO_ON


def test_of_too_many_jobs_those_go_that_ended_first():
    plan = plan_retention(a_past(*ended(12)), BOUNDS, NOW)

    assert [job.uid for job in plan.forget] == ["j0", "j1"]
    assert plan.because == "more than 10 jobs have ended (retention/jobs)"


def test_of_old_jobs_all_go_however_few_they_are():
    old = [EndedJob("a", NOW - 1001), EndedJob("b", NOW - 999)]
    bounds = replace(BOUNDS, jobs_for=1000.0)

    plan = plan_retention(a_past(*old), bounds, NOW)

    assert [job.uid for job in plan.forget] == ["a"]
    assert "(retention/jobs_for)" in plan.because


def test_what_a_live_job_refers_to_stays():
    jobs = ended(12)
    child = replace(jobs[0], parent="p")
    past = a_past(child, *jobs[1:], live=frozenset("p"), needed=frozenset({"j1"}))

    assert forgotten(past) == ["j2", "j3"]


def test_a_turn_takes_a_part_and_the_next_follows_soon():
    plan = plan_retention(a_past(*ended(1000)), BOUNDS, NOW)

    assert len(plan.forget) == MOST_AT_ONCE
    assert plan.next_at == NOW + GO_ON


def test_logs_of_jobs_that_ended_first_go_until_all_are_within_the_bound():
    sizes = {"live": 900 * MB, "j0": 50 * MB, "j1": 1000, "j2": 100 * MB, "j3": 60 * MB}
    past = a_past(*ended(4), log_bytes=sizes)

    plan = plan_retention(past, BOUNDS, NOW)

    gone = [(r.job_uid, r.size, r.why, r.bound) for r in plan.logs]
    assert gone == [
        ("j0", 50 * MB, WhyGone.TOTAL_BOUND, GB),
        ("j2", 100 * MB, WhyGone.TOTAL_BOUND, GB),
    ]
    assert plan.outputs == ()


def test_what_forgotten_jobs_left_counts_as_gone():
    sizes = {"j0": 600 * MB, "j5": 600 * MB}

    plan = plan_retention(a_past(*ended(11), log_bytes=sizes), BOUNDS, NOW)

    assert [job.uid for job in plan.forget] == ["j0"]
    assert plan.logs == ()


def test_a_pressed_disk_takes_logs_and_outputs_of_ended_jobs_by_age_alone():
    sizes = {"j0": 100 * MB, "j1": 100 * MB, "live": 500 * MB}
    outputs = {"j0": 300 * MB, "j2": 300 * MB}
    past = a_past(
        *ended(3),
        log_bytes=sizes,
        output_bytes=outputs,
        disk=DiskUse(50 * GB, 5 * GB - 450 * MB),
    )

    plan = plan_retention(past, BOUNDS, NOW)

    why = WhyGone.DISK_PRESSED
    assert plan.logs == (Removal("j0", 100 * MB, why), Removal("j1", 100 * MB, why))
    assert plan.outputs == (Removal("j0", 300 * MB, why),)


def test_a_bundle_goes_once_no_job_that_is_kept_uses_it_and_nobody_asks():
    jobs = ended(11, bundle="old")
    kept = replace(jobs[10], bundle="kept")
    past = a_past(
        *jobs[:1],
        *[replace(job, bundle="kept") for job in jobs[1:10]],
        kept,
        bundles=dict.fromkeys(("old", "kept", "live"), NOW - BUNDLE_REST - 1)
        | {"fresh": NOW - 10},
        live_bundles=frozenset({"live"}),
    )

    plan = plan_retention(past, BOUNDS, NOW)

    assert [job.uid for job in plan.forget] == ["j0"]
    assert plan.bundles == ("old",)


sizes = st.dictionaries(st.integers(0, 40).map("j{}".format), st.integers(0, GB))


@given(
    count=st.integers(0, 40),
    log_bytes=sizes,
    output_bytes=sizes,
    free=st.integers(0, 10 * GB),
    needed=st.frozensets(st.integers(0, 40).map("j{}".format)),
)
def test_only_ended_jobs_lose_something_and_no_more_than_must_go(
    count: int, log_bytes, output_bytes, free: int, needed
):
    past = a_past(
        *ended(count),
        log_bytes=log_bytes,
        output_bytes=output_bytes,
        disk=DiskUse(50 * GB, free),
        needed=needed,
    )

    plan = plan_retention(past, BOUNDS, NOW)

    uids = {job.uid for job in past.ended}
    gone = {job.uid for job in plan.forget}
    assert gone <= uids - needed
    assert len(gone) <= max(count - BOUNDS.jobs, 0)
    for removals, kept in ((plan.logs, log_bytes), (plan.outputs, output_bytes)):
        assert {r.job_uid for r in removals} <= uids - gone
        assert [r.size for r in removals] == [kept[r.job_uid] for r in removals]
        last = removals[-1].size if removals else 0
        left = sum(kept.values()) - sum(r.size for r in removals) + last
        if free > 6 * GB and removals:
            assert left > BOUNDS.logs
    assert plan_retention(past, BOUNDS, NOW) == plan


@pytest.mark.parametrize("count", [0, 1])
def test_no_past_at_all_is_no_trouble(count: int):
    assert forgotten(a_past(*ended(count))) == []
