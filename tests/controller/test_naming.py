"""Names that many jobs ask for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iris.controller.transitions.naming import free_name


def test_a_free_name_is_given_as_it_is():
    assert free_name("train", set().__contains__) == "train"


def test_names_are_numbered_in_order():
    taken: set[str] = set()

    for _ in range(40):
        taken.add(free_name("train", taken.__contains__))

    assert taken == {"train", *(f"train-{n}" for n in range(2, 41))}


@given(st.sets(st.integers(1, 60)))
def test_whatever_ended_meanwhile_the_name_is_free_and_the_one_before_is_not(numbers):
    taken = {f"t-{n}" if n > 1 else "t" for n in numbers}

    name = free_name("t", taken.__contains__)

    number = int(name.partition("-")[2] or 1)
    assert name not in taken
    assert number == 1 or number - 1 in numbers


def test_ten_thousand_jobs_of_one_name_cost_few_questions_each():
    taken = {"t", *(f"t-{n}" for n in range(2, 10_001))}
    asked = []

    name = free_name("t", lambda each: bool(asked.append(each)) or each in taken)

    assert name == "t-10001"
    assert len(asked) < 30
