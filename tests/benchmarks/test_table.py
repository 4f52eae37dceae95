"""The table of benchmarks: what it says, where it goes. Nothing here is timed."""

from __future__ import annotations

import json

import pytest

from benchmarks.__main__ import main
from benchmarks.measures import Found
from benchmarks.table import MEASURES, README, as_data, put_into, render


def a_row(**numbers: float) -> Found:
    return Found("tasks", "300/s", "-", "400/s", numbers=numbers)


def test_a_row_has_its_peers_its_bound_and_its_aim():
    table = render([a_row()], "on a machine")

    *_, row, empty, setting = table.splitlines()
    assert row == "| tasks | 400/s | - | - | 300/s | - |"
    assert (empty, setting) == ("", "on a machine")


def test_the_numbers_of_all_rows_are_one_mapping():
    written = as_data([a_row(a=1.0), a_row(b=2.0)], "on a machine")

    assert written["numbers"] == {"a": 1.0, "b": 2.0}


def test_a_table_takes_the_place_of_the_one_before(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(README.read_text())
    put_into(page, "old\n")

    put_into(page, "new\n")

    text = page.read_text()
    assert "\nnew\n" in text
    assert "old\n" not in text
    assert text.startswith("# Benchmarks")


def test_a_page_without_marks_is_left_as_it_is(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("nothing")

    with pytest.raises(ValueError, match="there is no line"):
        put_into(page, "new\n")
    assert page.read_text() == "nothing"


def test_a_measure_that_there_is_not_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["throughputs"])

    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "no measure is called 'throughputs'; there is throughput, " in said


def test_a_small_share_of_a_measure_runs_by_its_name(tmp_path, capsys):
    file = tmp_path / "numbers.json"

    status = main(["acceptance", "throughput", "--quick", "--json", str(file)])

    assert status == 0
    numbers = json.loads(file.read_text())["numbers"]
    assert {"tasks_per_s_iris", "job_list_p99_ms"} <= set(numbers)
    assert "| accept one job of 1,000 tasks" in capsys.readouterr().out


@pytest.mark.heavy
@pytest.mark.parametrize("name", [measure.name for measure in MEASURES])
def test_a_small_share_of_each_measure_runs(name, tmp_path):
    file = tmp_path / "numbers.json"

    assert main([name, "--quick", "--json", str(file)]) == 0
    assert json.loads(file.read_text())["numbers"]
