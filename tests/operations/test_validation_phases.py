from __future__ import annotations

import json

import pytest

from iris.domain.views import LogLine
from iris.errors import JobRefused
from iris.operations.validation_phases import (
    COUNT,
    FACTOR,
    WORDS,
    choose_shape,
    join_output,
    judge,
    judge_computation,
    judge_meeting,
    judge_place,
    judge_psum,
    judge_stays,
    list_phases,
)
from iris.planning.refusals import refusal
from tests.support.builders import a_group, a_tpu_group

PLAIN = a_group()
WHOLE = a_tpu_group(4, name="v5e-16")
SMALL = a_tpu_group(1, name="v5e-4")


def lines(*answers):
    return [json.dumps(answer) for answer in answers]


# which jobs


def test_the_largest_slice_and_a_plain_vm_are_what_is_asked_for():
    shape = choose_shape((PLAIN, SMALL, WHOLE), "")

    assert (shape.whole.name, shape.single.name) == ("v5e-16", "cpu")


def test_a_named_type_is_the_one_that_is_validated():
    assert choose_shape((PLAIN, SMALL, WHOLE), "v5litepod-4").whole == SMALL


def test_a_type_that_no_group_has_is_refused_with_those_that_are_there():
    with pytest.raises(JobRefused) as raised:
        choose_shape((PLAIN, WHOLE), "v4-8")

    assert "v4-8" in raised.value.message
    assert "v5litepod-16" in raised.value.hint


@pytest.mark.parametrize(
    "groups", [(PLAIN,), (SMALL,), (WHOLE,), (PLAIN, SMALL, WHOLE)]
)
def test_no_job_of_a_validation_is_refused_by_the_cluster_it_is_made_for(groups):
    phases = list_phases(choose_shape(groups, ""))

    refused = [refusal(spec, groups) for phase in phases for spec in phase.specs]

    assert set(refused) == {None}


def test_more_jobs_than_slices_want_the_same_one():
    two = a_tpu_group(4, max_slices=2)

    *_, same_slice = list_phases(choose_shape((two,), ""))

    assert len(same_slice.specs) == 3


# what they have to say


def test_tasks_on_their_own_workers_are_fine_and_two_on_one_are_not():
    fine = [
        {"task": n, "slice": "s", "worker": n, "python": "3.11.0"} for n in range(2)
    ]
    crowded = [{**answer, "worker": 0} for answer in fine]

    assert not judge_place([lines(*fine)]).fell_short
    assert judge_place([lines(*crowded)]).fell_short


def test_a_result_that_is_one_off_falls_short():
    right = sum(FACTOR * number * number for number in range(COUNT))

    ok = judge_computation([lines({"total": right, "words": WORDS})])
    off = judge_computation([lines({"total": right + 1, "words": WORDS})])

    assert not ok.fell_short
    assert off.fell_short
    assert str(right) in off.detail


def test_a_word_that_a_shell_has_split_falls_short():
    right = sum(FACTOR * number * number for number in range(COUNT))
    split = [part for word in WORDS for part in word.split()]

    assert judge_computation([lines({"total": right, "words": split})]).fell_short


def test_a_member_that_did_not_meet_the_others_is_named():
    met = [{"task": n, "members": 2, "word": "w", "digest": "?"} for n in range(2)]

    finding = judge_meeting([lines(*met)])

    assert finding.fell_short
    assert "[0, 1]" in finding.detail


def test_without_jax_the_sum_is_skipped_and_with_it_everybody_has_it():
    none = judge_psum([lines({"jax": ""}, {"jax": ""})])
    some = judge_psum([lines({"jax": ""}, {"jax": "0.4", "total": 3})])
    sums = [{"jax": "0.4", "total": 6, "local_devices": 2} for _ in range(2)]
    wrong = [sums[0], {**sums[1], "total": 2}]

    assert none.is_skipped
    assert some.fell_short
    assert not judge_psum([lines(*sums)]).fell_short
    assert judge_psum([lines(*wrong)]).fell_short


def a_stay(slice_name, began):
    return lines({"slice": slice_name, "began": began, "ended": began + 1.0})


def test_two_jobs_at_once_on_one_slice_fall_short():
    after = judge_stays([a_stay("s", 2.0), a_stay("s", 1.0)])
    apart = judge_stays([a_stay("s", 1.0), a_stay("t", 1.5)])
    at_once = judge_stays([a_stay("s", 1.0), a_stay("s", 1.5)])

    assert not after.fell_short
    assert "one slice" in after.detail
    assert not apart.fell_short
    assert at_once.fell_short


def test_a_task_that_says_nothing_or_something_else_falls_short():
    phase = list_phases(choose_shape((WHOLE,), ""))[2]
    three = lines(*({"task": n} for n in range(3)))

    assert "4 answers" in judge(phase, [three]).detail
    assert judge(phase, [["hello"] * 4]).fell_short


def test_only_what_the_last_attempt_said_counts():
    def piece(attempt, content):
        return LogLine(cursor=0, task=0, attempt=attempt, at=0.0, content=content)

    said = join_output([piece(0, b"old"), piece(1, b"ne"), piece(1, b"w\n")])

    assert said == {0: "new\n"}
