"""Many workers on one machine: real ones, and hollow ones without loss of rate."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.clusters import cluster_of
from benchmarks.hollow import FOLDER
from benchmarks.measures import Found
from benchmarks.measuring import ROOT
from benchmarks.scale import Scale
from iris import wire
from iris.client import Client
from iris.controller.main import MachineFile
from iris.domain.jobs import JobSpec
from iris.domain.machine import AddressFile
from iris.domain.resources import Resources

PATIENCE = 300.0  # seconds
LOOK = 0.05  # seconds
ONE_CPU = Resources(cpus=1.0)
_FILE = """
name: many
provider: {{local: {{}}}}
controller: {{port: 0}}
autoscaler: {{evaluation_interval: 1s, scale_down_delay: 1h}}
scale_groups:
  cpu: {{cpus: 4, memory: 16GB, min_slices: {workers}, max_slices: {workers}}}
"""


def measure_real(scale: Scale) -> list[Found]:
    """Keeper, agent and processes of every worker."""
    text = _FILE.format(workers=scale.workers)
    with cluster_of(text), Client.of_cluster() as client:
        rate = _rate(client, scale.workers, scale.tasks)
    return [
        Found(
            what=f"{scale.tasks:,} tasks of `/bin/true` on {scale.workers} workers of "
            "this machine, 4 slots each",
            bound="300/s",
            aim="-",
            iris=f"{rate:,.0f}/s",
            numbers={"tasks_per_s_many_workers": rate},
        )
    ]


def measure_hollow(scale: Scale) -> list[Found]:
    """The controller alone: its workers speak the protocol and run nothing."""
    rates = []
    for workers in (scale.few_hollow_workers, scale.hollow_workers):
        with hollow_cluster(workers) as client:
            rates.append(_rate(client, workers, scale.tasks))
    few, many = rates
    return [
        Found(
            what=f"the controller's share of {scale.tasks:,} tasks: "
            f"{scale.hollow_workers:,} hollow workers, which only speak the protocol, "
            f"beside {scale.few_hollow_workers}",
            bound="no loss of rate",
            aim="-",
            iris=f"{many:,.0f}/s beside {few:,.0f}/s",
            numbers={"hollow_many_per_s": many, "hollow_few_per_s": few},
        )
    ]


@contextmanager
def hollow_cluster(workers: int) -> Iterator[Client]:
    """A controller of this machine, and a crowd of workers without work."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        machine, state = Path(folder) / "machine", Path(folder) / "state"
        for each in (machine, state):
            each.mkdir()
        (machine / "machine.json").write_bytes(wire.encode(MachineFile("hollow")))
        (machine / "config.yaml").write_text(_FILE.format(workers=workers))
        where = ["--machine", str(machine), "--state", str(state)]
        stack.enter_context(_program("benchmarks.hollow", *where))
        crowd = str(state / FOLDER)
        stack.enter_context(_program("benchmarks.hollow_agents", crowd))
        said = machine / "address.json"
        _wait(said.exists)
        url = wire.decode(said.read_bytes(), AddressFile).url
        token = (state / "operator.token").read_text().strip()
        yield stack.enter_context(Client(url, token))


def _rate(client: Client, workers: int, tasks: int) -> float:
    """Tasks a second of one job, once all the workers are there and one job ran."""
    _wait(lambda: len(client.workers()) == workers)
    for count in (workers, tasks):
        spec = JobSpec(("/bin/true",), name="true", tasks=count, resources=ONE_CPU)
        began = time.perf_counter()
        client.wait_for_job(client.submit(spec).uid, PATIENCE)
        took = time.perf_counter() - began
    return tasks / took


def _wait(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError(f"not so within {PATIENCE} s")
        time.sleep(LOOK)


@contextmanager
def _program(module: str, *words: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
