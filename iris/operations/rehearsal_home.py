"""A home of its own for one rehearsal, and where its report stays."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iris.files import make_private
from iris.operations.rehearsal_report import Report
from iris.paths import iris_home

VARIABLE = "IRIS_HOME"


@contextmanager
def private_home() -> Iterator[Path]:
    """While the block runs, everything of Iris lies in a fresh folder."""
    outer = reports_folder()
    make_private(outer)
    # a short name: sockets below it have little room for theirs
    home = Path(tempfile.mkdtemp(dir=outer, prefix=""))
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(home)
    try:
        yield home
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
        shutil.rmtree(home, ignore_errors=True)


def reports_folder() -> Path:
    """Where reports stay."""
    return iris_home() / "rehearsals"


def page_file(report: Report) -> Path:
    """Where the page of a report goes where nobody said."""
    at = time.strftime("%Y%m%d-%H%M%S", time.localtime(report.began))
    return reports_folder() / f"{report.cluster}-{at}.html"
