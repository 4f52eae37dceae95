"""The program of a job that only holds its slice, on a clock that the test moves."""

from __future__ import annotations

import os
import subprocess

import pytest

from iris.errors import UsageError
from iris.operations.holding import hold_command
from iris.operations.job_words import Wanted, make_spec

NOW = 1_000_000  # 13:46:40 UTC
DATE = """\
now="$(cat "$0.now")"
case "$*" in
+%s) echo "$now" ;;
"-u -d @$((now + 14400)) +%d %b %H:%M UTC") echo "12 Jan 17:46 UTC" ;;
*) echo "12 Jan 13:47 UTC" ;;
esac
"""
SLEEP = (
    'echo "slept $1"; echo "$(($(cat "${0%/*}/date.now") + $1))" >"${0%/*}/date.now"'
)


def held(folder, seconds, **variables):
    """What the program of a hold says, and how long it sleeps in between."""
    for name, text in (("date", DATE), ("sleep", SLEEP)):
        file = folder / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
    (folder / "date.now").write_text(str(NOW))
    names = {"IRIS_JOB": "hold", "IRIS_TASK_INDEX": "2"}
    ran = subprocess.run(
        hold_command(seconds),
        env=os.environ | names | variables | {"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return ran.stdout.splitlines()


def test_a_hold_says_when_it_ends_and_once_more_when_that_is_near(tmp_path):
    assert held(tmp_path, 4 * 3600) == [
        "iris: held until 12 Jan 17:46 UTC: inv job.exec hold/2 -it gets in",
        "iris: inv job.cancel hold gives it back earlier",
        "slept 13800",
        "iris: the hold ends in 10 min, at 12 Jan 17:46 UTC",
        "slept 540",
        "iris: the hold ends in 1 min, at 12 Jan 17:46 UTC",
        "slept 60",
        "iris: the hold is over",
    ]


def test_a_hold_that_goes_on_elsewhere_ends_when_it_was_first_told_to_end(tmp_path):
    first_told, lost = str(NOW + 14400), "attempt 0 on s-1/0 preempted"

    said = held(tmp_path, 86400, IRIS_HELD_UNTIL=first_told, IRIS_RESUME_REASON=lost)

    assert said[:4] == [
        "iris: held until 12 Jan 17:46 UTC: inv job.exec hold/2 -it gets in",
        f"iris: as first told; {lost}",
        "iris: inv job.cancel hold gives it back earlier",
        "slept 13800",
    ]


def test_a_short_hold_says_nothing_of_ten_minutes(tmp_path):
    assert held(tmp_path, 29.5)[2:] == ["slept 30", "iris: the hold is over"]


def test_a_hold_is_a_job_on_all_vms_of_its_slice():
    spec = make_spec(Wanted(hold="4h", tpu="v5litepod-16"))

    assert (spec.name, spec.hold, spec.tasks, spec.gang) == ("hold", 14400.0, 4, True)
    assert spec.command == hold_command(14400)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(("true",), hold="4h"), "--hold 4h: a command does not go with it"),
        (Wanted(hold="4h", run_timeout="1h"), "--hold 4h: --run-timeout does not go"),
        (
            Wanted(hold="4h", keep_on_failure="1m"),
            "--hold 4h: --keep-on-failure does not go with it",
        ),
        (Wanted(hold="0s"), "--hold: expected a duration of 1s or more"),
        (Wanted(hold="soon"), "--hold: expected a duration"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused(wanted, words):
    with pytest.raises(UsageError, match=words):
        make_spec(wanted)
