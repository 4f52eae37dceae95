"""How long people wait for Iris on a rehearsed Google Cloud that takes no time itself.

    python -m benchmarks.rehearsal

From `cluster.start --rehearse` to a healthy controller; from the submission of a gang
to the create call at the cloud, and to four tasks that run on the new slice; one probe
through the tunnel.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import requests

from benchmarks.latency import CLEANUP, home
from benchmarks.measuring import INV, percentile, report, seconds_of
from iris.client import Client
from iris.domain.jobs import Constraints, JobSpec
from iris.domain.resources import Resources
from iris.session import open_session

START = [INV, "cluster.start", "--config", "eu-west4.yaml", "--rehearse"]
PROBE = [INV, "probe.health"]
STOP = [INV, "rehearse.stop"]
STARTS = 3
GANGS = 4  # the file's max_slices: each waits for a slice of its own
PROBES = 9
PATIENCE = 60.0  # seconds for a gang
SAY_WHEN_AND_STAY = ("sh", "-c", "date +%s%N; exec sleep 60")
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
    starts, creates, gangs, probes = [], [], [], []
    for turn in range(STARTS):
        with home():
            try:
                starts.append(seconds_of(START))
                if turn == 0:
                    seconds_of(PROBE)
                    probes = [seconds_of(PROBE) for _ in range(PROBES)]
                with open_session().controller() as client:
                    for create, running in _gangs(client):
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
    }
    report(rows, "python -m benchmarks.rehearsal")


def _gangs(client: Client) -> Iterator[tuple[float, float]]:
    """Seconds to the create call, and to the start of the gang's last task."""
    admin = _admin_url()
    for number in range(GANGS):
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
    for number in range(GANGS):
        client.cancel(f"gang-{number}")


def _created_at(admin: str) -> list[float]:
    answer = requests.get(f"{admin}ledger", headers={"X-Iris-Admin": "1"}, timeout=5)
    items = msgspec.json.decode(answer.content)["resources"]
    return [item["created_at"] for item in items if item["kind"] == "slice"]


def _admin_url() -> str:
    from iris.paths import iris_home

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
