"""What people are told."""

from __future__ import annotations

import pytest

from iris.domain.states import JobState, SliceState
from iris.domain.views import Explanation
from iris.planning.explain import explain_job, next_step
from iris.planning.scheduler import RESERVE_AFTER, plan_assignments
from tests.support.builders import (
    NOW,
    a_backoff,
    a_gang_job,
    a_group,
    a_job,
    a_pending,
    a_slice,
    a_snapshot,
    a_tpu_group,
    a_worker,
    resources,
)

CPU, BIG = a_group(), a_tpu_group(4)


def test_why_tells_what_lacks_what_is_done_and_what_a_person_can_do() -> None:
    group = a_group(max_slices=1)
    home = a_slice(group, "s")
    busy = [a_worker(home, group, free=resources(0, 0), live=8)]
    pending = a_pending(a_job("small"))
    snapshot = a_snapshot(group, slices=[home], workers=busy, pending=[pending])

    told = explain_job(snapshot, pending, NOW)

    waiting = plan_assignments(snapshot, NOW).waiting[0]
    assert told.because == waiting.because
    assert [(o.rule, o.candidates) for o in told.obstacles] == [("cpus are free", 1)]
    expected = "no slice can be asked for: cpu: max_slices is 1, all in use"
    assert told.autoscaler == expected
    assert told.unblock == (
        "wait until running work ends, or raise max_slices of cpu (now 1)"
    )
    assert told.state is JobState.PENDING
    assert told.next_at == NOW + RESERVE_AFTER


def test_why_names_the_slice_that_comes_for_the_job() -> None:
    pending = a_pending(a_gang_job(4))
    coming = a_slice(BIG, "s", state=SliceState.BOOTING)

    told = explain_job(
        a_snapshot(BIG, slices=[coming], pending=[pending]), pending, NOW
    )

    assert told.autoscaler.startswith("slice s of group tpu_v5e_16 is booting")
    assert told.unblock == "nothing needs to be done: a slice is on its way"


def test_why_quotes_the_cloud_and_when_it_is_asked_again() -> None:
    pending = a_pending(a_job())
    held = a_backoff(CPU, until=NOW + 20)

    told = explain_job(
        a_snapshot(CPU, pending=[pending], backoffs=(held,)), pending, NOW
    )

    assert "out-of-capacity: no more capacity in the zone" in told.autoscaler
    assert told.next_at == NOW + 20
    assert told.unblock.startswith("wait for the end of the back-off")


def test_why_of_a_back_off_says_until_when_and_after_what_and_nothing_else() -> None:
    job = a_job("flaky", tasks=3)
    pending = a_pending(
        job,
        ready=(),
        ready_count=0,
        later_count=1,
        next_ready_at=NOW + 7,
        later_because="attempt 2 on s/0 exited: exit status 5",
    )
    snapshot = a_snapshot(CPU, slices=[a_slice(CPU)], pending=[pending])

    told = explain_job(snapshot, pending, NOW, moment=lambda at: f"{at - NOW:g} past")

    assert told == Explanation(
        job="flaky",
        state=JobState.RUNNING,
        because="1 task backs off until 7 past: attempt 2 on s/0 exited: exit status 5",
        next_step="the next attempt starts in 7 s where there is room",
        next_at=NOW + 7,
        unblock="nothing needs to be done: it is tried again by itself; "
        "`inv job.logs flaky` shows what it wrote",
    )


def test_why_of_a_job_that_starts_now() -> None:
    pending = a_pending(a_job())
    snapshot = a_snapshot(CPU, slices=[a_slice(CPU)], pending=[pending])

    told = explain_job(snapshot, pending, NOW)

    assert told.because == "it starts in the next turn of the scheduler"
    assert told.obstacles == ()


@pytest.mark.parametrize("state", list(SliceState))
def test_every_state_of_a_slice_has_a_next_step(state: SliceState) -> None:
    assert len(next_step(a_slice(CPU, state=state), CPU, NOW)) > 10
    assert len(next_step(a_slice(CPU, state=state), None, NOW)) > 10


def test_a_stuck_deletion_names_the_way_out() -> None:
    stuck = a_slice(CPU, "s", state=SliceState.DELETING, deleting_at=NOW - 700)

    words = next_step(stuck, CPU, NOW)

    assert "this is stuck for 100 s" in words
    assert "inv worker.confirm-gone s --no-dry-run" in words
