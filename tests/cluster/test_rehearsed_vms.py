"""Faults of VMs, rehearsed: a slice that is not whole is replaced, work goes on."""

from __future__ import annotations

import pytest

from tests.support.rehearsals import LONGEST, quick_file, rehearse, struck
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(LONGEST)]


@pytest.mark.parametrize("fault", ["no-index", "late-metadata", "pull-denied"])
def test_work_survives_what_befalls_a_vm(tmp_path, fault):
    words = ("eu-west4.yaml", "--faults", f"{fault}.yaml")

    report = rehearse(Terminal(tmp_path), *words)

    assert struck(report) == {fault, "preemption"}


@pytest.mark.parametrize("fault", ["preemption", "preemption-with-notice"])
def test_work_survives_one_preemption_after_another(tmp_path, fault):
    words = ("eu-west4.yaml", "--faults", f"{fault}.yaml")

    report = rehearse(Terminal(tmp_path), *words)

    assert struck(report) == {"preemption"}
    assert sum(each["times"] for each in report["injected"]) == 2


def test_a_slice_that_never_becomes_whole_is_replaced(tmp_path):
    terminal = Terminal(tmp_path)
    file = quick_file(terminal, "eu-west4.yaml", boot_timeout="15s")

    report = rehearse(terminal, file, "--faults", "partial-slice.yaml")

    assert struck(report) == {"partial-slice", "preemption"}
