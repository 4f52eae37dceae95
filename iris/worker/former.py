"""What a former keeper of this VM left behind, ended before anything is started.

A keeper that starts is another boot: the controller then holds the attempts of the
former one for lost and runs their tasks again. None of them may still be running.
What had failed and held its place is no process any more: that is left as it is.
"""

from __future__ import annotations

import contextlib
import logging
import threading

from iris.clock import Clock
from iris.errors import Late
from iris.processes import send, variables_of, with_variables
from iris.worker.folders import VmFolder, remove
from iris.worker.kept import KeptAttempts

log = logging.getLogger(__name__)

DEADLINE = 10.0  # seconds for what was killed to be gone
PAUSE = 0.02  # seconds between looks


def end_former(folder: VmFolder, clock: Clock) -> None:
    """End its attempts and remove what they wrote, save where a place is kept.

    Raises Late where one lives on.
    """
    if not folder.journal.exists():
        return  # this is the first
    until = clock.now() + DEADLINE
    while left := _attempts_of(folder):
        log.warning("processes of a former keeper ended count=%d", len(left))
        for pid in left:
            send(pid)
        if clock.now() > until:
            raise Late(f"processes of a former keeper do not end: {left}")
        clock.wait(threading.Event(), PAUSE)
    kept = {known.spec.uid for known in KeptAttempts(folder.known).all()}
    with contextlib.suppress(FileNotFoundError):
        for path in folder.attempts.iterdir():
            if path.name not in kept:
                remove(path)


def _attempts_of(folder: VmFolder) -> list[int]:
    # by environment alone: a person's shell may stand in an attempt's folder
    ours = with_variables(IRIS_VM=str(folder.root))
    return [pid for pid in ours if "IRIS_ATTEMPT_UID" in variables_of(pid)]
