"""How long people wait for Iris itself, on a cluster of this machine.

From `cluster.start` to the end of the first job, by the commands alone. Then, on a
cluster that is idle, from a submission to the start of its process, and until its
end is known.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.clusters import CLEANUP, LOCAL, cluster, home
from benchmarks.hyperqueue import HyperQueue
from benchmarks.measures import Found, skipped
from benchmarks.measuring import INV, percentile, seconds_of
from benchmarks.scale import Scale
from benchmarks.slurm import Slurm
from iris.client import Client
from iris.domain.jobs import JobSpec
from iris.domain.resources import Resources

FIRST_JOB = [INV, "job.run", "--no-bundle", "--follow", "--", "true"]
# nanoseconds since the epoch, as the first thing that the process does
SAY_WHEN = ("date", "+%s%N")
SLOTS = 64
PATIENCE = 60.0  # seconds for a job
PAUSE = 0.05  # seconds between jobs, so that the cluster is idle again


def measure_first_result(scale: Scale) -> list[Found]:
    """Nothing runs; two commands later the first task has ended."""
    starts = [_start_to_first_result() for _ in range(scale.turns)]
    median, slowest = percentile(starts, 50), max(starts)
    return [
        Found(
            what="`inv cluster.start` to the first finished task",
            bound="3 s",
            aim="-",
            iris=f"{median:.2f} s median, {slowest:.2f} s slowest of {scale.turns}",
            numbers={"first_result_s": median},
        )
    ]


def measure(scale: Scale) -> list[Found]:
    """Starts and ends of one job after the other, of each system in turn."""
    with cluster(LOCAL):
        starts = list(submission_delays(scale.submissions, scale.pause))
        ends = list(end_delays(scale.submissions, scale.pause))
    peer = HyperQueue.installed() if scale.has_peers else None
    theirs = peer.ask(SLOTS, scale.peer_submissions) if peer else ([], [])
    slurm = _delays_of_slurm(scale)
    return [
        Found(
            what="submit to process start, idle cluster, p50 and p99",
            bound="10 and 20 ms",
            aim="5 and 10 ms",
            iris=_spread(starts),
            hyperqueue=skipped(_spread(theirs[0])),
            slurm=skipped(_spread(slurm[0])),
            numbers=_numbers("start", starts),
        ),
        Found(
            what="submit to 'done' known at the client, p50 and p99",
            bound="30 ms p50",
            aim="11 ms p50",
            iris=_spread(ends),
            hyperqueue=skipped(_spread(theirs[1])),
            slurm=skipped(_spread(slurm[1])),
            numbers=_numbers("done", ends),
        ),
    ]


def submission_delays(times: int, pause: float = PAUSE) -> Iterator[float]:
    """Seconds from each submission to the start of its process."""
    spec = JobSpec(SAY_WHEN, name="when", resources=Resources(cpus=1.0))
    with Client.of_cluster() as client:
        client.wait_for_job(client.submit(spec).uid, PATIENCE)  # the slice comes
        for _ in range(times):
            time.sleep(pause)
            began = time.time()
            job = client.submit(spec)
            said = b"".join(piece.content for piece in client.follow_log(job.uid))
            yield int(said) / 1e9 - began


def end_delays(times: int, pause: float) -> Iterator[float]:
    """Seconds from each submission until the client knows of its end."""
    spec = JobSpec(("true",), name="done", resources=Resources(cpus=1.0))
    with Client.of_cluster() as client:
        for _ in range(times):
            time.sleep(pause)
            began = time.perf_counter()
            client.wait_for_job(client.submit(spec).uid, PATIENCE)
            yield time.perf_counter() - began


def _start_to_first_result() -> float:
    with home():
        try:
            started = seconds_of([INV, "cluster.start", "--config", LOCAL])
            return started + seconds_of(FIRST_JOB)
        finally:
            seconds_of(CLEANUP)


def _delays_of_slurm(scale: Scale) -> tuple[list[float], list[float]]:
    starts, ends = [], []
    with Slurm.running(scale.has_peers, SLOTS) as slurm:
        for turn in range(scale.peer_submissions if slurm else 0):
            time.sleep(scale.pause)
            began = time.time()
            took, said = slurm.ask(*SAY_WHEN) if slurm else (0.0, "")
            if turn:  # the first one warms up
                starts.append(int(said) / 1e9 - began)
                ends.append(took)
    return starts, ends


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return ""
    median, tail = (percentile(seconds, each) * 1000 for each in (50, 99))
    return f"{median:.1f} and {tail:.1f} ms"


def _numbers(name: str, seconds: list[float]) -> dict[str, float]:
    return {f"{name}_p{p}_ms": percentile(seconds, p) * 1000 for p in (50, 99)}
