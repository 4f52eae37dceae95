"""The work of a rehearsal: which jobs, how they stand, what their runs wrote."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from iris import validation
from iris.client import Client
from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import Constraints, JobSpec
from iris.domain.resources import Resources
from iris.domain.states import TaskState
from iris.domain.views import JobView, TaskView
from iris.images.vm import SHARED, SHARED_NAME
from iris.operations import rehearsing
from iris.operations.rehearsal_report import Run
from iris.operations.rehearsing import Emulator
from iris.structs import learn

STAYER = Path(validation.__file__).with_name("stayer.py")
MOST_VMS = 16  # VMs of one slice that this machine is asked to be
GB = 1_000_000_000


class WorkPlace(msgspec.Struct, frozen=True):
    """Where runs leave their records, and what they are run with."""

    outside: Path  # on this machine
    inside: str  # as a run has it
    command: tuple[str, ...] = (sys.executable, "-I", "-S", str(STAYER))


class Work(msgspec.Struct, frozen=True):
    """What is submitted: jobs that stay until they are released, and short ones."""

    staying: tuple[JobSpec, ...]
    short: tuple[JobSpec, ...]
    left_out: tuple[str, ...]  # types that are too large to rehearse here


def place_of(emulator: Emulator, home: Path) -> WorkPlace:
    """VMs that are processes share all with us, containers one folder."""
    if emulator.vms == "process":
        return WorkPlace(home, str(home))
    command = ("python", "-I", "-m", "iris.validation.stayer")
    return WorkPlace(rehearsing.emulator_folder() / SHARED_NAME, SHARED, command)


def work_for(groups: Sequence[ScaleGroup], place: WorkPlace) -> Work:
    """A gang on each accelerator of a file, plain tasks beside it or on plain VMs."""
    by_type = {group.accelerator: group for group in groups}
    fitting = {t: g for t, g in by_type.items() if g.vms <= MOST_VMS}
    gate = str(gate_file(Path(place.inside)))
    return Work(
        staying=tuple(_job(g, place, gate) for g in fitting.values()),
        short=tuple(_job(g, place, "-") for g in list(fitting.values())[:1]),
        left_out=tuple(t for t in by_type if t not in fitting),
    )


def gate_file(folder: Path) -> Path:
    """What staying runs wait for."""
    return folder / "gate"


def runs_folder(folder: Path) -> Path:
    """Where every run writes its record."""
    return folder / "runs"


def read_runs(folder: Path) -> tuple[Run, ...]:
    """What the runs wrote of themselves."""
    files = sorted(runs_folder(folder).glob("[!.]*"))
    return tuple(learn(Run).decode(file.read_bytes()) for file in files)


def tasks_of(client: Client, jobs: Sequence[JobView]) -> tuple[TaskView, ...]:
    """Every task of some jobs."""
    return tuple(task for job in jobs for task in client.tasks(job.uid))


def all_run(tasks: Sequence[TaskView]) -> bool:
    """Does every task run now?"""
    return bool(tasks) and all(task.state is TaskState.RUNNING for task in tasks)


def _job(group: ScaleGroup, place: WorkPlace, gate: str) -> JobSpec:
    kind = group.accelerator or "plain"
    is_gang = group.vms > 1
    words = (*place.command, str(runs_folder(Path(place.inside))), gate)
    plain = Resources(cpus=1.0, memory_bytes=GB)
    whole = Resources(cpus=1.0, memory_bytes=GB, chips=group.resources.chips)
    return JobSpec(
        command=words,
        name=f"{'short' if gate == '-' else 'stays'}-{kind}",
        tasks=group.vms,
        gang=is_gang,
        resources=whole if group.accelerator else plain,
        constraints=Constraints(accelerator=group.accelerator),
        stop_grace=1.0,
    )
