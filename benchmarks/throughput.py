"""Tasks a second, over the commands that a person types, beside peers in turns.

Tasks are `/bin/true`, each a process of its own, on one worker with 64 slots. Ours
are durable and have logs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from benchmarks.clusters import LOCAL, cluster
from benchmarks.hyperqueue import HyperQueue
from benchmarks.measures import Found, skipped
from benchmarks.measuring import INV, seconds_of
from benchmarks.scale import Scale
from benchmarks.slurm import Slurm

SLOTS = 64
TRUE = "/bin/true"
FIRST = 100  # tasks before anything is timed: the slice comes


def measure(scale: Scale) -> list[Found]:
    """All systems take turns; the median of each counts."""
    with cluster(LOCAL), Slurm.running(scale.has_peers, SLOTS) as slurm:
        run_tasks(FIRST)
        runs: dict[str, Callable[[], float]] = {"iris": lambda: run_tasks(scale.tasks)}
        peer = HyperQueue.installed() if scale.has_peers else None
        if peer is not None:
            runs["hyperqueue"] = lambda: peer.run(SLOTS, scale.tasks, TRUE)
        taken = {
            name: [run() for _ in range(scale.turns)] for name, run in runs.items()
        }
        # it takes minutes for as many: a tenth of them says the same
        if slurm is not None:
            taken["slurm"] = [slurm.run(scale.tasks // 10, TRUE) * 10]
    rates = {
        name: scale.tasks / statistics.median(seconds)
        for name, seconds in taken.items()
    }
    return [
        Found(
            what=f"{scale.tasks:,} tasks of `{TRUE}`, a process each, {SLOTS} slots, "
            "one worker, `job.run` and `job.wait`",
            bound="HyperQueue's",
            aim="1,030/s",
            iris=_words(rates["iris"]),
            hyperqueue=skipped(_words(rates.get("hyperqueue"))),
            slurm=skipped(_words(rates.get("slurm"))),
            numbers={f"tasks_per_s_{name}": rate for name, rate in rates.items()},
        )
    ]


def run_tasks(tasks: int, *more: str) -> float:
    """Seconds for a job of so many tasks, by the two commands."""
    name = f"true-{time.monotonic_ns()}"
    words = ["--no-bundle", "--name", name, "--tasks", str(tasks), *more]
    run = [INV, "job.run", *words, "--", TRUE]
    return seconds_of(run) + seconds_of([INV, "job.wait", name])


def _words(rate: float | None) -> str:
    return f"{rate:,.0f}/s" if rate else ""
