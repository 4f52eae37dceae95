"""How large a submission may be, and how lists are answered at that size.

The jobs that are accepted want a whole slice each, so they wait in line while one
after the other runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import psutil

from benchmarks.clusters import LOCAL, cluster, controller_pid
from benchmarks.measures import Found
from benchmarks.measuring import percentile
from benchmarks.scale import Scale
from iris.client import Client
from iris.domain.jobs import JobSpec
from iris.domain.resources import Resources

IN_BATCH = 1_000
MANY = "many"
WHOLE = Resources(cpus=64.0)  # of a slice: one task runs at a time, the rest wait
MB = 1e6


def measure(scale: Scale) -> list[Found]:
    """One large job, many small ones, then questions."""
    with cluster(LOCAL), Client.of_cluster() as client:
        large = _one_large_job(client, scale)
        small = _many_jobs(client, scale)
        return [large, small, _lists(client, scale)]


def _one_large_job(client: Client, scale: Scale) -> Found:
    controller = psutil.Process(controller_pid())
    job = JobSpec(
        ("/bin/true",), name=MANY, tasks=scale.tasks_of_one_job, resources=WHOLE
    )
    before = controller.memory_info().rss
    seconds = seconds_for(lambda: client.submit(job))
    added = (controller.memory_info().rss - before) / MB
    return Found(
        what=f"accept one job of {job.tasks:,} tasks; memory that it adds",
        bound="1 s; 150 MB",
        aim="0.3 s; 50 MB",
        iris=f"{seconds:.2f} s; {added:.1f} MB",
        numbers={"accept_one_job_s": seconds, "accept_one_job_mb": added},
    )


def _many_jobs(client: Client, scale: Scale) -> Found:
    batch = [JobSpec(("/bin/true",), name="one", resources=WHOLE)] * IN_BATCH
    seconds = 0.0
    for first in range(0, scale.jobs, IN_BATCH):
        part = batch[: scale.jobs - first]
        seconds += seconds_for(partial(client.submit_many, part))
    return Found(
        what=f"accept {scale.jobs:,} jobs of one task, in batches of {IN_BATCH:,}",
        bound="4 s",
        aim="1.5 s",
        iris=f"{seconds:.2f} s",
        numbers={"accept_many_jobs_s": seconds},
    )


def _lists(client: Client, scale: Scale) -> Found:
    lists = [seconds_for(client.jobs) * 1000 for _ in range(scale.questions)]
    pages = [
        seconds_for(lambda: client.tasks(MANY, 100)) * 1000
        for _ in range(scale.questions)
    ]
    return Found(
        what="job list, and a page of 100 tasks, at that size while tasks run, "
        f"p50 and p99 of {scale.questions:,}",
        bound="20 ms p99",
        aim="5 ms p99",
        iris=f"{_spread(lists)}; {_spread(pages)}",
        numbers={
            "job_list_p50_ms": percentile(lists, 50),
            "job_list_p99_ms": percentile(lists, 99),
            "task_page_p50_ms": percentile(pages, 50),
            "task_page_p99_ms": percentile(pages, 99),
        },
    )


def seconds_for(ask: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def _spread(values: list[float]) -> str:
    return f"{percentile(values, 50):.1f} and {percentile(values, 99):.1f} ms"
