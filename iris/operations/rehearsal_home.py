"""A home of its own for one rehearsal, and where its report stays."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from iris.files import make_private
from iris.operations.rehearsal_report import Report
from iris.paths import iris_home

VARIABLE = "IRIS_HOME"
HELD = "held"  # a file of each home, locked by whoever lives there


@contextmanager
def private_home() -> Iterator[Path]:
    """While the block runs, everything of Iris lies in a fresh folder."""
    outer = reports_folder()
    make_private(outer)
    with _one_at_a_time(outer):
        # a short name: sockets below it have little room for theirs
        home = Path(tempfile.mkdtemp(dir=outer, prefix=""))
        (home / HELD).touch()
        held = _hold(home)
    try:
        with _at_home_in(home):
            yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
        if held is not None:
            os.close(held)


def end_abandoned(end: Callable[[], None]) -> int:
    """Call `end` in the home of each rehearsal that was killed, and remove it.

    Returns how many there were.
    """
    outer, count = reports_folder(), 0
    for mark in sorted(outer.glob(f"*/{HELD}")):
        with _one_at_a_time(outer):
            held = _hold(mark.parent)
        if held is None:
            continue  # somebody is at home
        try:
            with _at_home_in(mark.parent):
                end()
            shutil.rmtree(mark.parent, ignore_errors=True)
        finally:
            os.close(held)
        count += 1
    return count


def reports_folder() -> Path:
    """Where reports stay."""
    return iris_home() / "rehearsals"


def page_file(report: Report) -> Path:
    """Where the page of a report goes where nobody said."""
    at = time.strftime("%Y%m%d-%H%M%S", time.localtime(report.began))
    return reports_folder() / f"{report.cluster}-{at}.html"


@contextmanager
def _at_home_in(home: Path) -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


@contextmanager
def _one_at_a_time(outer: Path) -> Iterator[None]:
    """A home that is being made is not taken for one that was abandoned."""
    handle = os.open(outer, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _hold(home: Path) -> int | None:
    """Held until we end, however we do; None where somebody else holds it."""
    try:
        handle = os.open(home / HELD, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
