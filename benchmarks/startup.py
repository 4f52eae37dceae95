"""`inv --list` beside Invoke's own start, which is `inv --list` of an empty tasks.py.

python -m benchmarks.startup
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import INV, ROOT, medians_of_turns, report

TURNS = 21
OWN_TASKS = """from invoke import task


@task
def nothing(c):
    pass
"""


def main() -> None:
    """Measure both in turns and print medians and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tasks.py").write_text(OWN_TASKS)
        medians = medians_of_turns(
            TURNS,
            {
                "python -c pass": ([sys.executable, "-c", "pass"], ROOT),
                "Invoke's own start": ([INV, "--list"], Path(folder)),
                "inv --list": ([INV, "--list"], ROOT),
            },
        )
    rows = {name: f"{seconds * 1000:.0f} ms" for name, seconds in medians.items()}
    ratio = medians["inv --list"] / medians["Invoke's own start"]
    report({**rows, "ratio": f"{ratio:.2f}"}, "python -m benchmarks.startup")


if __name__ == "__main__":
    main()
