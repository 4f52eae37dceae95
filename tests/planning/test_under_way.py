"""What attempts wait for on their VMs, and what helps."""

from __future__ import annotations

import pytest

from iris.domain.preparing import SETUP_RUNS, words_of_lack
from iris.domain.states import AttemptState
from iris.planning.under_way import ways_out, what_goes_on, words_of_backoff
from tests.support.builders import (
    NOW,
    a_gang,
    a_gang_job,
    a_group,
    a_job,
    a_pending,
    a_slice,
    a_snapshot,
    a_tpu_group,
    an_attempt,
)

BIG, CPU = a_tpu_group(4), a_group()
GB = 10**9


def test_what_members_of_a_gang_wait_for_is_told_with_their_places() -> None:
    job, home = a_gang_job(4), a_slice(BIG, "s")
    sets_up = {"state": AttemptState.PREPARING, "detail": "its set-up runs"}
    waits = {"state": AttemptState.PREPARING, "detail": "/dev/accel0 is held by x"}
    gang = a_gang(job, home, task_0=sets_up, task_1=waits, task_3=sets_up)

    told = what_goes_on(a_snapshot(BIG, slices=[home], gangs=(gang,)), job.uid)

    assert told == (
        "on s/1: /dev/accel0 is held by x; on s/0 and 1 more: its set-up runs"
    )


@pytest.mark.parametrize(
    ("detail", "ways"),
    [
        (words_of_lack(72 * GB, 100 * GB, 0), ["more free disk", "less for --disk"]),
        (words_of_lack(72 * GB, 100 * GB, GB), ["the end of those others", "more"]),
        (
            SETUP_RUNS,
            ["end of its set-up, which fails after 90 s", "job.logs train -f"],
        ),
    ],
)
def test_what_unblocks_an_attempt_in_preparation_is_told(
    detail: str, ways: list[str]
) -> None:
    job, home = a_job("train", setup_timeout=90.0), a_slice(CPU, "s")
    waits = an_attempt(job, home, state=AttemptState.PREPARING, detail=detail)

    told = ways_out(a_snapshot(CPU, slices=[home], starting=(waits,)), job)

    assert [way for way in ways if way not in told] == []


def test_an_attempt_that_tells_of_nothing_known_has_no_way_out_made_up() -> None:
    job, home = a_job("train"), a_slice(CPU, "s")
    waits = an_attempt(job, home, state=AttemptState.PREPARING, detail="who knows")

    assert ways_out(a_snapshot(CPU, slices=[home], starting=(waits,)), job) == ""


def test_of_many_that_back_off_the_first_is_named() -> None:
    job = a_job(tasks=4)
    later = {"later_count": 2, "next_ready_at": NOW, "later_because": "it failed"}

    told = words_of_backoff(a_pending(job, **later), lambda at: "noon")

    assert told == "2 tasks back off, the first until noon: it failed"
    assert words_of_backoff(a_pending(job), str) == ""
