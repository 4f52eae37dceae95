"""Faults of capacity, rehearsed: the cluster goes where there is some."""

from __future__ import annotations

import pytest

from tests.support.rehearsals import LONGEST, rehearse, struck
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(LONGEST)]


@pytest.mark.parametrize("fault", ["stockout", "quota", "not-permitted"])
def test_a_zone_that_refuses_is_left_for_another(tmp_path, fault):
    words = ("multi-zone.yaml", "--faults", f"{fault}.yaml")

    report = rehearse(Terminal(tmp_path), *words)

    assert struck(report) == {fault, "preemption"}


@pytest.mark.parametrize(
    "file",
    ["multi-zone.yaml", "queued-v5p.yaml", "cpu-only.yaml", "us-central2-v4.yaml"],
)
def test_every_other_example_rehearses_well(tmp_path, file):
    report = rehearse(Terminal(tmp_path), file)

    assert struck(report) == {"preemption"}
