"""Lines shipped while many tasks print at once, and how the API answers meanwhile."""

from __future__ import annotations

import threading
import time

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
PATIENCE = 300.0  # seconds
PAUSE = 0.01  # seconds between questions


def measure(scale: Scale) -> list[Found]:
    """From the submission until the end, which is known once every line is here."""
    with cluster(LOCAL), Client.of_cluster() as client:
        one_cpu = Resources(cpus=1.0)
        warm = JobSpec(("true",), name="warm", resources=one_cpu)
        client.wait_for_job(client.submit(warm).uid, PATIENCE)
        words = ("seq", "-f", LINE, "1", str(scale.lines))
        spec = JobSpec(words, name="chat", tasks=scale.printing, resources=one_cpu)
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
            raise RuntimeError(f"the printing job {ended.state}: {ended.because}")
    lines = scale.lines * scale.printing
    tail = percentile(delays, 99) * 1000
    return [
        Found(
            what=f"log lines of 48 bytes shipped, {scale.printing} tasks printing at "
            "once; job list meanwhile, p99",
            bound="50,000/s; 50 ms",
            aim="-",
            iris=f"{lines / took:,.0f}/s; {tail:.0f} ms of {len(delays)}",
            numbers={"lines_per_s": lines / took, "job_list_meanwhile_p99_ms": tail},
        )
    ]


def _ask(delays: list[float], is_over: threading.Event) -> None:
    with Client.of_cluster() as client:
        while not is_over.is_set() or not delays:
            delays.append(seconds_for(client.jobs))
            time.sleep(PAUSE)
