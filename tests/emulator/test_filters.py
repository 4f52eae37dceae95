from __future__ import annotations

import pytest

from iris.emulator.errors import Refusal
from iris.emulator.filters import parse_filter
from iris.emulator.paging import page_of, size_from

VM = {
    "name": "vm-1",
    "status": "RUNNING",
    "labels": {"iris-cluster": "eu", "owner": "anna"},
    "scheduling": {"automaticRestart": False},
    "disks": 2,
}


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        ("", True),
        ("labels.iris-cluster=eu", True),
        ("labels.iris-cluster = us", False),
        ("labels.iris-cluster!=us", True),
        ("labels.owner:*", True),
        ("labels.nobody:*", False),
        ("scheduling.automaticRestart=false", True),
        ("status=RUNNING AND labels.owner=anna", True),
        ("status=STOPPED OR labels.owner=anna", True),
        ("status=RUNNING labels.owner=bert", False),
        ("(status=RUNNING) (name=vm-1)", True),
        ("NOT status=STOPPED", True),
        ('name="vm-1"', True),
        ("disks>1", True),
        ("disks<=1", False),
        ("status eq RUNNING", True),
        ('name eq ".*\\bvm\\b.*"', True),
        ("name eq vm", False),
        ("name ne vm", True),
        ("(status eq RUNNING) (name eq vm-.*)", True),
    ],
)
def test_a_filter_of_either_language_chooses_as_the_cloud_does(words: str, fits: bool):
    assert parse_filter(words)(VM) is fits


@pytest.mark.parametrize("words", ["status", "=x", "(status=RUNNING", "name eq ("])
def test_what_is_no_filter_is_refused(words: str):
    with pytest.raises(Refusal) as refused:
        parse_filter(words)

    assert refused.value.compute()[1] == 400


def test_pages_follow_each_other_without_gap_or_double():
    first, token = page_of(range(5), 2, "")
    second, further = page_of(range(5), 2, token)
    last, end = page_of(range(5), 2, further)

    assert [*first, *second, *last] == [0, 1, 2, 3, 4]
    assert end == ""


@pytest.mark.parametrize("words", ["-1", "501", "many"])
def test_a_page_size_out_of_bounds_is_refused(words: str):
    with pytest.raises(Refusal):
        size_from(words, 500, 500)
