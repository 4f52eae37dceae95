"""How long people wait for Iris on a rehearsed Google Cloud.

    python -m benchmarks.rehearsal [--delays google]

From `cluster.start --rehearse` to a healthy controller; from the submission of a gang
to the create call at the cloud, and to four tasks that run on the new slice; one probe
through the tunnel, and one over a slow wire. The cloud takes no time itself; with
`--delays google` it does, and what is printed is what Iris adds to that.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

import msgspec
import requests

from benchmarks.clusters import CLEANUP, home
from benchmarks.measuring import INV, ROOT, percentile, report, seconds_of
from iris.client import Client, records
from iris.domain.jobs import Constraints, JobSpec
from iris.domain.resources import Resources
from iris.emulator.core import GOOGLE
from iris.paths import iris_home
from iris.session import open_session

START = [INV, "cluster.start", "--config", "eu-west4.yaml", "--rehearse"]
PROBE = [INV, "probe.health"]
STOP = [INV, "rehearse.stop"]
STARTS = 3
GANGS = 4  # the file's max_slices: each waits for a slice of its own
PROBES = 9
PATIENCE = 300.0  # seconds for a gang
ROUND_TRIP = 120  # milliseconds of the slow wire
# What the emulator takes by itself until a controller's VM, and a slice's, runs its
# startup script.
VM_SECONDS = GOOGLE.vm_provisioning + GOOGLE.vm_staging + GOOGLE.vm_boot
SLICE_SECONDS = GOOGLE.tpu_create + GOOGLE.vm_boot
SAY_WHEN_AND_STAY = ("sh", "-c", "date +%s%N; exec sleep 600")
LOOK = 0.01  # seconds
GANG = JobSpec(
    SAY_WHEN_AND_STAY,
    tasks=4,
    resources=Resources(cpus=1.0, chips=4),
    constraints=Constraints(accelerator="v5litepod-16"),
    gang=True,
)


def main() -> None:
    """Measure all of it and print medians."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--delays", choices=("none", "google"), default="none")
    if parser.parse_args().delays == "google":
        return measure_added()
    starts, creates, gangs, probes = [], [], [], []
    for turn in range(STARTS):
        with home():
            try:
                starts.append(seconds_of(START))
                if turn == 0:
                    probes = _probes()
                with open_session().controller() as client:
                    for create, running in _gangs(client, GANGS):
                        creates.append(create * 1000)
                        gangs.append(running)
                seconds_of(CLEANUP)
            finally:
                seconds_of(STOP)
    rows = {
        "cluster.start --rehearse": _median(starts, "s"),
        "submit to create call": _median(creates, "ms"),
        "submit to four running tasks": _median(gangs, "s"),
        "probe on a running cluster": _median(probes, "s"),
        f"probe, {ROUND_TRIP} ms round trip": _median(_far_probes(), "s"),
    }
    report(rows, "python -m benchmarks.rehearsal")


def measure_added() -> None:
    """What Iris adds to the delays of a cloud that is as slow as Google's."""
    with home():
        try:
            start = seconds_of([*START, "--delays", "google"]) - VM_SECONDS
            with open_session().controller() as client:
                gangs = [running for _, running in _gangs(client, 2)]
        finally:
            seconds_of(STOP)
    added = [seconds - SLICE_SECONDS for seconds in gangs]
    rows = {
        f"cluster.start beyond {VM_SECONDS:.0f} s": _median([start], "s"),
        f"four running tasks beyond {SLICE_SECONDS:.0f} s": _median(added, "s"),
    }
    report(rows, "python -m benchmarks.rehearsal --delays google")


def _probes() -> list[float]:
    seconds_of(PROBE)  # opens the tunnel that the others share
    return [seconds_of(PROBE) for _ in range(PROBES)]


def _far_probes() -> list[float]:
    """The same with a slow way to the controller's VM, from the first connection on."""
    wire = f"{sys.executable} {ROOT / 'benchmarks' / 'slow_wire.py'} %h %p {ROUND_TRIP}"
    with home():
        try:
            seconds_of(START)
            session = open_session()
            session.close_tunnel()
            record = msgspec.structs.replace(records.last(), proxy_command=wire)
            records.save(record, config_text=session.config_text)
            return _probes()
        finally:
            seconds_of(STOP)


def _gangs(client: Client, count: int) -> Iterator[tuple[float, float]]:
    """Seconds to the create call, and to the start of the gang's last task."""
    admin = _admin_url()
    for number in range(count):
        began = time.time()
        job = client.submit(msgspec.structs.replace(GANG, name=f"gang-{number}"))
        started: dict[int, float] = {}
        until = began + PATIENCE
        while len(started) < 4 and time.time() < until:
            for line in client.read_log(job.uid).items:
                started.setdefault(line.task, int(line.content.split()[0]) / 1e9)
            time.sleep(LOOK)
        created = max(_created_at(admin))
        yield created - began, max(started.values()) - began
    for number in range(count):
        client.cancel(f"gang-{number}")


def _created_at(admin: str) -> list[float]:
    answer = requests.get(f"{admin}ledger", headers={"X-Iris-Admin": "1"}, timeout=5)
    items = msgspec.json.decode(answer.content)["resources"]
    return [item["created_at"] for item in items if item["kind"] == "slice"]


def _admin_url() -> str:
    content = (iris_home() / "emulator" / "emulator.json").read_bytes()
    return str(msgspec.json.decode(content)["admin_url"])


def _median(values: list[float], unit: str) -> str:
    digits = 0 if unit == "ms" else 2
    middle, worst = percentile(values, 50), max(values)
    return f"{middle:.{digits}f} {unit} median, {worst:.{digits}f} slowest of " + str(
        len(values)
    )


if __name__ == "__main__":
    main()
