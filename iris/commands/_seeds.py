"""A simulation on the terminal: a bar while it runs, then what it came to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iris.commands._edge import tell
from iris.domain.seeds import SeedResult
from iris.operations.simulate import Simulated


@contextmanager
def progress(seeds: int) -> Iterator[Callable[[SeedResult], None]]:
    """Hears of each seed: a bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield lambda result: tell(_line(result))
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress
    from rich.progress import TimeElapsedColumn as Elapsed

    columns = (BarColumn(), MofNCompleteColumn(), Elapsed())
    with Progress("seeds", *columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("seeds", total=seeds)
        yield lambda result: bar.advance(task)


def summary(found: Simulated) -> str:
    """What all seeds came to, then the trace of each that broke a promise."""
    kept = found.seeds - len(found.broken)
    head = (
        f"{kept} of {found.seeds} seeds kept every promise over {found.days:g} days: "
        f"{found.jobs} jobs, {found.attempts} attempts, {found.slices} slices, "
        f"{found.crashes} crashes of the controller"
    )
    return "\n".join([head, *(_broken(result) for result in found.broken)])


def _broken(result: SeedResult) -> str:
    head = f"\nseed {result.seed} at {result.broken_at}: {result.broken}"
    return "\n".join([head, *(f"  {line}" for line in result.trace)])


def _line(result: SeedResult) -> str:
    said = "kept" if result.is_kept else f"broken: {result.broken}"
    return f"seed {result.seed}: {said} ({result.cpu_seconds:.1f} s)"
