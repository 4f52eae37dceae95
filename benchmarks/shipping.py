"""Lines shipped while many tasks print at once, and how the API answers meanwhile.

Once they print as fast as they can, once at a pace that a machine of this size can
print, ship and store without end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from benchmarks.acceptance import seconds_for
from benchmarks.clusters import LOCAL, cluster
from benchmarks.measures import Found
from benchmarks.measuring import percentile
from benchmarks.scale import Scale
from iris.client import Client
from iris.domain.jobs import JobSpec
from iris.domain.resources import Resources
from iris.domain.states import JobState

LINE = "step %08.0f of the training, loss 0.0123456789"
PACE = 1_200  # lines a second of each of fifty tasks
PACED = f"""
import sys, time
line = "{LINE % 0}\\n"
began = time.monotonic()
for step in range({{steps}}):
    sys.stdout.write(line * {PACE // 10})
    time.sleep(max(began + (step + 1) / 10 - time.monotonic(), 0))
"""
PATIENCE = 300.0  # seconds
PAUSE = 0.01  # seconds between questions


def measure(scale: Scale) -> list[Found]:
    """From the submission until the end, which is known once every line is here."""
    with cluster(LOCAL), Client.of_cluster() as client:
        _print(client, "warm", ("true",), 1)
        fast = ("seq", "-f", LINE, "1", str(scale.lines))
        took, at_once = _print(client, "fast", fast, scale.printing)
        steps = PACED.format(steps=10 * scale.seconds_of_printing)
        _, paced = _print(client, "paced", ("python", "-c", steps), scale.printing)
    rate = scale.lines * scale.printing / took
    tails = [percentile(delays, 99) * 1000 for delays in (at_once, paced)]
    return [
        Found(
            what=f"log lines of 48 bytes shipped, {scale.printing} tasks printing at "
            "once, as fast as they can",
            bound="50,000/s",
            aim="-",
            iris=f"{rate:,.0f}/s",
            numbers={"lines_per_s": rate},
        ),
        Found(
            what=f"job list while they print {PACE * scale.printing:,} lines a second, "
            f"p99 of {len(paced)}; as fast as they can, of {len(at_once)}",
            bound="50 ms",
            aim="-",
            iris=f"{tails[1]:.0f} ms; {tails[0]:.0f} ms",
            numbers={"list_while_paced_p99_ms": tails[1], "list_p99_ms": tails[0]},
        ),
    ]


def _print(
    client: Client, name: str, words: Sequence[str], tasks: int
) -> tuple[float, list[float]]:
    """Seconds that a job took, and how long lists of jobs took meanwhile."""
    spec = JobSpec(tuple(words), name=name, tasks=tasks, resources=Resources(cpus=1.0))
    delays: list[float] = []
    is_over = threading.Event()
    asking = threading.Thread(target=_ask, args=(delays, is_over))
    began = time.perf_counter()
    job = client.submit(spec)
    asking.start()
    try:
        ended = client.wait_for_job(job.uid, PATIENCE)
    finally:
        took = time.perf_counter() - began
        is_over.set()
        asking.join()
    if ended.state is not JobState.SUCCEEDED:
        raise RuntimeError(f"job {name} {ended.state}: {ended.because}")
    return took, delays


def _ask(delays: list[float], is_over: threading.Event) -> None:
    with Client.of_cluster() as client:
        while not is_over.is_set() or not delays:
            delays.append(seconds_for(client.jobs))
            time.sleep(PAUSE)
