"""What a person who works on Iris types: dev.check, dev.test, dev.fix, dev.simulate."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def iris(*words):
    """The program, as it is installed."""
    return subprocess.run(
        [sys.executable, "-m", "iris", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_dev_simulate_sums_up_its_seeds():
    ran = iris("dev.simulate", "--seeds", "2", "--first", "7", "--days", "0.05")

    assert ran.returncode == 0
    assert "2 of 2 seeds kept every promise" in ran.stdout
    assert "seed 8: kept" in ran.stderr


def test_dev_simulate_gives_json_for_programs():
    ran = iris("dev.simulate", "--seeds", "1", "--days", "0.05", "--json")

    assert json.loads(ran.stdout)["seeds"] == 1
    assert json.loads(ran.stdout)["broken"] == []


def test_dev_test_runs_what_it_is_told_and_passes_on_how_it_ended():
    # -n and -m stand before what is chosen here
    good = iris(
        "dev.test", "--only", "tests/test_house.py::test_what_is_missing_is_found"
    )
    none = iris("dev.test", "--only", "tests/test_house.py::test_that_is_not_there")

    assert (good.returncode, none.returncode) == (0, 1)
    assert "1 passed" in good.stdout
    assert "iris: the tests ended with status" in none.stderr


def test_dev_test_skips_aloud_what_needs_an_engine_where_there_is_none(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///var/empty/no-engine.sock")

    ran = iris("dev.test", "--docker", "--only", "tests/docker/test_worker_image.py")

    assert ran.returncode == 0
    assert "no container engine: " in ran.stdout
    assert "4 skipped" in ran.stdout


def test_dev_fix_changes_nothing_when_dry():
    before = subprocess.run(["git", "diff"], cwd=ROOT, capture_output=True, check=True)
    ran = iris("dev.fix", "--dry-run")
    after = subprocess.run(["git", "diff"], cwd=ROOT, capture_output=True, check=True)

    assert before.stdout == after.stdout
    assert "would be reformatted" in ran.stderr or "already formatted" in ran.stderr


def test_dev_check_is_told_about_in_its_help():
    ran = iris("--help", "dev.check")

    assert "--no-tests" not in ran.stderr
    assert "Run all that CI runs" in ran.stdout
