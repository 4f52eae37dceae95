"""Programs that outlive whoever started them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from iris.providers._processes import reap, start_detached
from tests.support.eventually import eventually

STARTS = """
from pathlib import Path
from iris.providers._processes import start_detached
print(start_detached(["sleep", "1000"], log=Path("/dev/null"), variables={}))
"""


def test_who_goes_before_what_it_started_is_warned_of_nothing():
    words = [sys.executable, "-W", "error", "-c", STARTS]
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    started = psutil.Process(int(ran.stdout))

    assert ran.stderr == ""
    assert started.cmdline() == ["sleep", "1000"]
    started.kill()


def test_those_that_have_ended_are_taken_leave_of():
    words = "sleep", "1000"
    gone, waited_for, lives = (
        psutil.Process(start_detached(words, log=Path("/dev/null"), variables={}))
        for _ in range(3)
    )
    gone.kill()
    waited_for.kill()
    waited_for.wait()

    eventually(lambda: reap() or not gone.is_running())
    reap()

    assert lives.is_running()
    lives.kill()
    eventually(lambda: reap() or not lives.is_running())
