"""How long people wait for Iris itself, on a cluster of this machine.

    python -m benchmarks.latency

From `cluster.start` to the end of the first job, by the commands alone; then from a
submission to the start of its process, on a cluster that is idle.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.measuring import INV, percentile, report, seconds_of
from iris.client import Client
from iris.domain.jobs import JobSpec
from iris.domain.resources import Resources

SUBMISSIONS = 300
LOCAL = "local.yaml"
STARTS = 5
CLEANUP = [INV, "cleanup", "--no-dry-run"]
FIRST_JOB = [INV, "job.run", "--no-bundle", "--follow", "--", "true"]
# nanoseconds since the epoch, as the first thing that the process does
SAY_WHEN = ("date", "+%s%N")
PATIENCE = 60.0  # seconds for the first job
PAUSE = 0.05  # seconds between jobs, so that the cluster is idle again


def main() -> None:
    """Measure both and print medians and tails."""
    starts = sorted(_start_to_first_result() for _ in range(STARTS))
    with cluster(LOCAL):
        delays = [delay * 1000 for delay in submission_delays(SUBMISSIONS)]
    rows = {
        "cluster.start to first finished task": f"{starts[STARTS // 2]:.2f} s median, "
        f"{starts[-1]:.2f} s slowest of {STARTS}",
        "submit to process start": f"{percentile(delays, 50):.1f} ms p50, "
        f"{percentile(delays, 99):.1f} ms p99 of {SUBMISSIONS}",
    }
    report(rows, "python -m benchmarks.latency")


def _start_to_first_result() -> float:
    with home():
        try:
            started = seconds_of([INV, "cluster.start", "--config", LOCAL])
            return started + seconds_of(FIRST_JOB)
        finally:
            seconds_of(CLEANUP)


def submission_delays(times: int) -> Iterator[float]:
    """Seconds from each submission to the start of its process."""
    spec = JobSpec(SAY_WHEN, name="when", resources=Resources(cpus=1.0))
    with Client.of_cluster() as client:
        client.wait_for_job(client.submit(spec).uid, PATIENCE)  # the slice comes
        for _ in range(times):
            time.sleep(PAUSE)
            began = time.time()
            job = client.submit(spec)
            said = b"".join(piece.content for piece in client.follow_log(job.uid))
            yield int(said) / 1e9 - began


@contextmanager
def cluster(config: str) -> Iterator[None]:
    """A cluster of a file, in a home of its own."""
    with home():
        try:
            seconds_of([INV, "cluster.start", "--config", config])
            yield
        finally:
            seconds_of(CLEANUP)


@contextmanager
def home() -> Iterator[None]:
    """A home of its own, so that no cluster of a person's is touched."""
    before = os.environ.get("IRIS_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["IRIS_HOME"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["IRIS_HOME"]
            else:
                os.environ["IRIS_HOME"] = before


if __name__ == "__main__":
    main()
