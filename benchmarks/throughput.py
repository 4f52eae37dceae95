"""How many tasks a second, and how large a submission, beside HyperQueue in one run.

    python -m benchmarks.throughput [--json FILE]

Tasks are `/bin/true`, each a process of its own, on one worker with 64 slots, timed
over the commands that a person types. Ours are durable and have logs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from benchmarks.hyperqueue import HyperQueue
from benchmarks.latency import LOCAL, cluster
from benchmarks.measuring import INV, machine, percentile, report, seconds_of
from iris.client import Client
from iris.domain.jobs import JobSpec
from iris.domain.machine import AddressFile
from iris.domain.resources import Resources
from iris.paths import iris_home

TASKS = 10_000
SLOTS = 64
TURNS = 3
MANY_TASKS = 100_000
MANY_JOBS = 10_000
IN_BATCH = 1_000
QUESTIONS = 200
# more than any slice has: these jobs are accepted and wait
WAITS = Resources(cpus=64.0)
MB = 1e6


def main() -> None:
    """Measure, print a table, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write all numbers here")
    file = parser.parse_args().json
    numbers: dict[str, float] = {}
    peer = HyperQueue.install()
    with cluster(LOCAL):
        _ours(100)  # the slice comes
        numbers |= _throughput(peer)
    with cluster(LOCAL):
        numbers |= _acceptance()
    report(_rows(numbers), "python -m benchmarks.throughput")
    if peer is not None:
        print(f"beside HyperQueue {peer.version}")
    if file is not None:
        file.write_bytes(msgspec.json.encode({"machine": machine()} | numbers))


def _throughput(peer: HyperQueue | None) -> dict[str, float]:
    """Tasks a second of both, which take turns; the median of each."""
    runs: dict[str, list[float]] = {"iris": [], "hyperqueue": []}
    for _ in range(TURNS):
        runs["iris"].append(TASKS / _ours(TASKS))
        if peer is not None:
            runs["hyperqueue"].append(TASKS / peer.run(SLOTS, TASKS, "/bin/true"))
    return {
        f"tasks_per_s_{name}": statistics.median(rates)
        for name, rates in runs.items()
        if rates
    }


def _ours(tasks: int) -> float:
    name = f"true-{time.monotonic_ns()}"
    words = ["--no-bundle", "--name", name, "--tasks", str(tasks)]
    run = [INV, "job.run", *words, "--", "/bin/true"]
    return seconds_of(run) + seconds_of([INV, "job.wait", name])


def _acceptance() -> dict[str, float]:
    controller = psutil.Process(_controller_pid())
    with Client.of_cluster() as client:
        before = controller.memory_info().rss
        job = JobSpec(("/bin/true",), name="many", tasks=MANY_TASKS, resources=WAITS)
        one_job = _seconds(lambda: client.submit(job))
        added = controller.memory_info().rss - before
        single = JobSpec(("/bin/true",), name="one", resources=WAITS)
        batch = [single] * IN_BATCH
        jobs = sum(
            _seconds(lambda: client.submit_many(batch))
            for _ in range(MANY_JOBS // IN_BATCH)
        )
        lists = [_seconds(client.jobs) for _ in range(QUESTIONS)]
        pages = [_seconds(lambda: client.tasks("many", 100)) for _ in range(QUESTIONS)]
    return {
        "accept_100000_tasks_s": one_job,
        "accept_100000_tasks_mb": added / MB,
        "accept_10000_jobs_s": jobs,
        "job_list_p99_ms": percentile(lists, 99) * 1000,
        "task_page_p99_ms": percentile(pages, 99) * 1000,
    }


def _controller_pid() -> int:
    (file,) = iris_home().glob("local/*/controller/address.json")
    return msgspec.json.decode(file.read_bytes(), type=AddressFile).pid


def _seconds(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def _rows(numbers: dict[str, float]) -> dict[str, str]:
    return {name: f"{value:,.1f}" for name, value in numbers.items()}


if __name__ == "__main__":
    main()
