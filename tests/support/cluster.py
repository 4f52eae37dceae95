"""A real cluster on this machine, in a home of its own, which leaves nothing behind.

`Cluster` starts what `inv cluster.start` starts: a controller, and slices with keepers
and agents, all of them processes. Fixtures stand in tests/cluster/conftest.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psutil

from iris.client import Client
from iris.domain.jobs import Constraints, JobSpec
from iris.domain.machine_types import GB
from iris.domain.resources import Resources
from iris.domain.views import AttemptView, JobView
from iris.operations import cluster as operation
from iris.operations.cleanup import cleanup
from iris.operations.cluster import Started
from iris.session import Session, open_session
from tests.support.eventually import eventually
from tests.support.machine import processes_in

# Quick where a test would wait: a silent worker is lost after some beats.
QUICK = """
name: proof
provider: {local: {}}
controller: {port: 0}
worker: {suspect_after: 2s, lost_after: 5s}
autoscaler: {evaluation_interval: 500ms, scale_down_delay: 10m}
scale_groups:
  cpu: {cpus: 8, memory: 32GB, max_slices: 1}
  v5e-16: {accelerator: v5litepod-16, max_slices: 2}
"""


class Mark(NamedTuple):
    """One line that an attempt wrote: which task, which attempt, what, its pid."""

    task: int
    attempt: int
    what: str
    pid: int


class Cluster:
    """One cluster of one test; `close` ends it whatever state it is in."""

    def __init__(self, folder: Path, text: str = QUICK) -> None:
        self.folder = folder
        self.file = folder / "cluster.yaml"
        self.file.write_text(text)
        self.said: list[str] = []
        self._client: Client | None = None

    # -- as a person would -------------------------------------------------------

    @property
    def session(self) -> Session:
        return open_session(config=str(self.file))

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = self.session.controller(patience=30.0)
        return self._client

    def start(self) -> Started:
        return operation.start(self.session, self.said.append)

    def restart(self) -> Started:
        return operation.restart(self.session, self.said.append)

    def submit(self, *command: str, **changes: Any) -> JobView:
        """A job of one CPU; `accelerator` makes it one of that type."""
        accelerator = changes.pop("accelerator", "")
        ordinary: dict[str, Any] = {
            "command": command,
            "resources": Resources(cpus=1.0, memory_bytes=GB),
            "constraints": Constraints(accelerator=accelerator),
            "stop_grace": 1.0,
        }
        return self.client.submit(JobSpec(**(ordinary | changes)))

    def submit_gang(self, *command: str, **changes: Any) -> JobView:
        """A gang of 4 tasks, which fills a v5litepod-16."""
        four = {
            "tasks": 4,
            "gang": True,
            "accelerator": "v5litepod-16",
            "resources": Resources(cpus=1.0, memory_bytes=GB, chips=4),
        }
        return self.submit(*command, **(four | changes))

    def wait(self, job: JobView, within: float = 60.0) -> JobView:
        return self.client.wait_for_job(job.uid, within)

    def attempts(self, job: JobView) -> list[AttemptView]:
        """All attempts of all tasks, task by task."""
        tasks = self.client.tasks(job.uid)
        return [a for t in tasks for a in self.client.attempts(job.uid, t.index)]

    def printed(self, job: JobView) -> str:
        """The beginning of its log: one page."""
        pieces = self.client.read_log(job.uid).items
        return b"".join(piece.content for piece in pieces).decode()

    def close(self) -> None:
        """Remove it all, and make sure that it is."""
        if self._client is not None:
            self._client.__exit__(None, None, None)
        cleanup(self.session, self.said.append)
        eventually(lambda: processes_in(self.folder) == [])

    # -- what tasks do -----------------------------------------------------------

    def marking(self, *steps: str) -> tuple[str, ...]:
        """A command whose attempts leave marks: `start`, the steps, then `end`."""
        mark = f'echo "$IRIS_TASK_INDEX $IRIS_ATTEMPT %s $$" >> {self.marks_file}'
        lines = [mark % "start", *steps, mark % "end"]
        return ("sh", "-c", "; ".join(lines))

    def until_released(self) -> str:
        """A step that lasts until `release` is called."""
        return f"while [ ! -e {self.folder}/released ]; do sleep 0.05; done"

    def release(self) -> None:
        (self.folder / "released").touch()

    @property
    def marks_file(self) -> Path:
        return self.folder / "marks"

    def marks(self, what: str = "") -> list[Mark]:
        if not self.marks_file.exists():
            return []
        lines = [line.split() for line in self.marks_file.read_text().splitlines()]
        marks = [Mark(int(t), int(a), w, int(pid)) for t, a, w, pid in lines]
        return [mark for mark in marks if what in ("", mark.what)]

    # -- what runs ---------------------------------------------------------------

    @property
    def controller(self) -> psutil.Process:
        return self._process(self._local / "controller" / "machine.json")

    @property
    def vms(self) -> list[Path]:
        """The folders of all VMs, slice by slice."""
        return sorted(self._local.glob("slices/*/vm-*"))

    def keeper(self, vm: Path) -> psutil.Process:
        return self._process(vm / "keeper.json")

    def agent(self, vm: Path) -> psutil.Process:
        """The agent of a VM; eventually, as its keeper may be about to start it."""
        return eventually(lambda: self._agents(vm))[0]

    def all_of_vm(self, vm: Path) -> Sequence[psutil.Process]:
        return processes_in(vm)

    def _agents(self, vm: Path) -> list[psutil.Process]:
        agents = []
        for child in self.keeper(vm).children():
            with suppress(psutil.Error):  # a dead one may wait for its keeper
                agents += [child] if "iris.worker.agent" in child.cmdline() else []
        return agents

    def _process(self, file: Path) -> psutil.Process:
        return psutil.Process(json.loads(file.read_bytes())["pid"])

    @property
    def _local(self) -> Path:
        name = self.session.cluster
        return self.folder / "home" / "local" / name


def settled(task: Any) -> tuple[Any, ...]:
    """How a task ended, and what was charged to whom."""
    view = msgspec.structs.asdict(task)
    return tuple(view[name] for name in ("state", "attempts", "failures", "losses"))
