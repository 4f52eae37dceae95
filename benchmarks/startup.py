"""The start of the command line, beside Invoke's own: an empty tasks.py."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.measures import Found
from benchmarks.measuring import INV, ROOT, medians_of_turns
from benchmarks.scale import Scale

IRIS = str(Path(sys.executable).parent / "iris")
OWN_TASKS = """from invoke import task


@task
def nothing(c):
    pass
"""


def measure(scale: Scale) -> list[Found]:
    """Each in turns; the medians count."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tasks.py").write_text(OWN_TASKS)
        medians = medians_of_turns(
            scale.starts,
            {
                "invoke": ([INV, "--list"], Path(folder)),
                "list": ([INV, "--list"], ROOT),
                "help": ([IRIS, "--help"], ROOT),
            },
        )
    shown = {name: f"{seconds * 1000:.0f} ms" for name, seconds in medians.items()}
    return [
        Found(
            what="start of the command line: `inv --list`, `iris --help`",
            bound="150 ms",
            aim="120 ms",
            iris=f"{shown['list']}, {shown['help']} (Invoke's own: {shown['invoke']})",
            numbers={f"start_{name}_ms": s * 1000 for name, s in medians.items()},
        )
    ]
