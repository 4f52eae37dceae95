"""Every fault file says what it is for, and plans faults that the emulator knows."""

from __future__ import annotations

import msgspec
import pytest

from iris.emulator.faults import Fault
from iris.errors import UsageError
from iris.operations.rehearsal_faults import load_faults
from iris.paths import examples_folder

FILES = sorted((examples_folder() / "faults").glob("*.yaml"))
WANTED = {
    *("stockout", "quota", "not-permitted", "unavailable", "reply-lost"),
    *("stale-list", "preemption", "preemption-with-notice", "partial-slice"),
    *("no-index", "late-metadata", "ssh-cut", "pull-denied"),
}


def test_there_is_a_file_for_each_fault_that_has_to_be_survived():
    assert {file.stem for file in FILES} == WANTED


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_fault_file_is_commented_and_says_how_it_is_rehearsed(file):
    faults = [msgspec.convert(each, Fault) for each in load_faults(file.name)]

    assert faults
    assert file.read_text().startswith("# ")
    assert "inv rehearse --config " in file.read_text()
    assert f"--faults {file.name}" in file.read_text()


@pytest.mark.parametrize(
    "text", ["faults: many", "- 3", "a: [", "faults:", "[" * 3000 + "]" * 3000]
)
def test_a_file_that_plans_nothing_is_refused_in_one_line(tmp_path, text):
    file = tmp_path / "odd.yaml"
    file.write_text(text)

    with pytest.raises(UsageError) as refused:
        load_faults(str(file))

    assert str(refused.value).startswith(f"{file}: ")
    assert "\n" not in str(refused.value)
