"""Run seeds of the simulation on all cores, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from iris.domain.seeds import SeedResult
from iris.errors import FellShort
from iris.structs import learn


class Simulated(msgspec.Struct, frozen=True):
    """What all seeds came to; `broken` are those that broke a promise."""

    seeds: int
    first: int
    days: float
    jobs: int
    attempts: int
    slices: int
    crashes: int
    broken: tuple[SeedResult, ...]


def simulate(
    seeds: int,
    *,
    first: int = 1,
    days: float = 1.0,
    processes: int = 0,
    progress: Callable[[SeedResult], None] = lambda result: None,
) -> Simulated:
    """Run seeds `first` and following; `progress` hears of each as it ends.

    `processes` of 0 means one for each core.
    """
    count = max(min(processes or os.cpu_count() or 1, seeds), 1)
    command = [sys.executable, "-m", "iris.simulation", "--json"]
    command += ["--seeds", str(seeds), "--first", str(first), "--days", str(days)]
    command += ["--processes", str(count)]
    results: list[SeedResult] = []
    for result in _results(command):
        results.append(result)
        progress(result)
    if len(results) < seeds:
        raise FellShort(
            f"only {len(results)} of {seeds} seeds came to an end",
            hint="See what the simulation wrote to stderr.",
        )
    return _sum_up(results, first, days)


def require_kept(found: Simulated) -> None:
    """Raise FellShort if any seed broke a promise, naming how to replay it."""
    if not found.broken:
        return
    numbers = ", ".join(str(each.seed) for each in found.broken)
    replay = f"--seeds 1 --first {found.broken[0].seed} --days {found.days:g}"
    raise FellShort(
        f"{len(found.broken)} of {found.seeds} seeds broke a promise: {numbers}",
        hint=f"The very same again: `inv dev.simulate {replay}`.",
    )


def _sum_up(results: list[SeedResult], first: int, days: float) -> Simulated:
    broken = [each for each in results if not each.is_kept]
    return Simulated(
        seeds=len(results),
        first=first,
        days=days,
        jobs=sum(each.jobs for each in results),
        attempts=sum(each.attempts for each in results),
        slices=sum(each.slices for each in results),
        crashes=sum(each.crashes for each in results),
        broken=tuple(sorted(broken, key=lambda each: each.seed)),
    )


def _results(command: list[str]) -> Iterator[SeedResult]:
    with _running(command) as process:
        yield from map(learn(SeedResult).decode, process.stdout or ())


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            # done already, or nobody wants the rest (Ctrl-C): it ends its own
            if process.poll() is None:
                process.terminate()
