"""What every benchmark needs: time a command, summarise, say on which machine."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
INV = str(Path(sys.executable).parent / "inv")
COMMAND_DEADLINE = 300.0  # seconds


def machine() -> str:
    """The machine that the numbers are of."""
    cores, system = os.cpu_count(), platform.system()
    return f"{cores} cores, {system} {platform.machine()}, Python {_python()}"


def seconds_of(
    words: Sequence[str], *, cwd: Path = ROOT, environ: Mapping[str, str] | None = None
) -> float:
    """How long a command takes that succeeds; its output is not shown."""
    began = time.perf_counter()
    subprocess.run(
        list(words),
        cwd=cwd,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=COMMAND_DEADLINE,
        check=True,
    )
    return time.perf_counter() - began


def medians_of_turns(
    turns: int, commands: Mapping[str, tuple[Sequence[str], Path]]
) -> dict[str, float]:
    """The median of each command, the commands taking turns after one warm-up."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(turns + 1):
        for name, (words, cwd) in commands.items():
            seconds = seconds_of(words, cwd=cwd)
            if turn:
                taken[name].append(seconds)
    return {name: statistics.median(values) for name, values in taken.items()}


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed."""
    place = -(-len(values) * percent // 100)
    return sorted(values)[max(int(place) - 1, 0)]


def report(rows: Mapping[str, str], command: str) -> None:
    """Print what was measured, where, and by which command."""
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")
    print(f"\n{command}: {machine()}")


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])
