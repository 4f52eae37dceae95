"""A controller killed with -9 while much waits, some runs and more is submitted.

What is timed is from the kill to a list of jobs by the controller that is started in
its place at once, as a container's restart policy does.
"""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import requests

from benchmarks.clusters import LOCAL, cluster, controller_pid
from benchmarks.measures import Found
from benchmarks.scale import Scale
from iris.client import Client, records
from iris.domain.jobs import JobSpec
from iris.domain.resources import Resources
from iris.domain.states import TaskState
from iris.errors import IrisError

IN_BATCH = 1_000
ONE_CPU = Resources(cpus=1.0)
RUN = JobSpec(("sleep", "600"), name="run", resources=ONE_CPU)
WAIT = JobSpec(("true",), name="wait", resources=Resources(cpus=64.0))
PATIENCE = 60.0  # seconds
LOOK = 0.01  # seconds
SUBMITTING = 1.0  # seconds of single submissions before the kill


def measure(scale: Scale) -> list[Found]:
    """Kill it in the middle of submissions, start it, count what is there."""
    with cluster(LOCAL), Client.of_cluster() as client:
        before = _run(client, scale.running)
        accepted = [
            job.uid
            for first in range(0, scale.jobs, IN_BATCH)
            for job in client.submit_many([WAIT] * min(IN_BATCH, scale.jobs - first))
        ]
        with _more_submitted(accepted):
            time.sleep(SUBMITTING)
            began = _kill_and_start()
        took = _served_at() - began
        kept = {job.uid for job in client.jobs(limit=2 * len(accepted) + IN_BATCH)}
        after = _attempts(client, scale.running)
    lost = len(set(accepted) - kept) + len(set(before) ^ set(after))
    return [
        Found(
            what=f"controller killed with -9 at {scale.jobs:,} jobs waiting, "
            f"{scale.running} tasks running, more being submitted: serving again; lost",
            bound="2 s; nothing",
            aim="1 s; nothing",
            iris=f"{took:.2f} s; {lost or 'nothing'} of {len(accepted):,}",
            numbers={"serving_again_s": took, "lost": lost},
        )
    ]


def _run(client: Client, tasks: int) -> list[str]:
    """The attempts of a job, once all of its tasks run."""
    job = client.submit(JobSpec(RUN.command, "run", tasks, resources=ONE_CPU))
    until = time.monotonic() + PATIENCE
    while client.job(job.uid).counts.get(TaskState.RUNNING, 0) < tasks:
        if time.monotonic() > until:
            raise TimeoutError(f"{job.counts} after {PATIENCE} s")
        time.sleep(LOOK)
    return _attempts(client, tasks)


def _attempts(client: Client, tasks: int) -> list[str]:
    """Which attempts run; those after the first one of a task tell of a loss."""
    found = (client.attempts(RUN.name, index) for index in range(tasks))
    return [f"{a.uid} {a.state}" for attempts in found for a in attempts]


@contextmanager
def _more_submitted(accepted: list[str]) -> Iterator[None]:
    """One job after the other is submitted, until nobody answers."""

    def submit() -> None:
        record = records.last()
        token = records.token(record.cluster)
        with Client(record.url, token, patience=0.0) as client:
            while True:
                try:
                    accepted.append(client.submit(WAIT).uid)
                except IrisError:
                    return

    submitting = threading.Thread(target=submit)
    submitting.start()
    try:
        yield
    finally:
        submitting.join()


def _kill_and_start() -> float:
    """When it was killed; another is on its way."""
    process = psutil.Process(controller_pid())
    words, environ = process.cmdline(), process.environ()
    began = time.perf_counter()
    # not process.wait(): that is until the machine's first process has reaped it
    gone = os.pidfd_open(process.pid)
    process.kill()
    select.select([gone], [], [], PATIENCE)
    os.close(gone)
    another = subprocess.Popen(
        words,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # `inv cleanup` ends it, and a dead child that nobody reaps looks alive
    threading.Thread(target=another.wait, daemon=True).start()
    return began


def _served_at() -> float:
    record = records.last()
    headers = {"Authorization": f"Bearer {records.token(record.cluster)}"}
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            requests.get(f"{record.url}/v1/jobs", headers=headers, timeout=PATIENCE)
        except requests.ConnectionError:
            time.sleep(LOOK)
        else:
            return time.perf_counter()
    raise TimeoutError(f"no answer within {PATIENCE} s")
