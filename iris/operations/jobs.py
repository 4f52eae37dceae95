"""Submits jobs, follows them, waits for them, ends them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from iris.client import Client
from iris.config.kinds import Refused
from iris.config.measures import Duration, Size
from iris.domain.accelerators import find_accelerator
from iris.domain.jobs import Band, Capacity, Constraints, JobSpec
from iris.domain.resources import Resources
from iris.domain.states import JobState
from iris.domain.views import AttemptView, JobView, LogLine, TaskView
from iris.errors import FellShort, JobRefused, NotThere, UsageError
from iris.session import Session

Say = Callable[[str], None]
Choice = TypeVar("Choice", bound=StrEnum)

# Words that start another program; the job is named after what comes behind them.
_INTERPRETERS = ("python", "python3", "sh", "bash", "env", "uv", "run", "time", "exec")
PLAIN_CPUS = 1.0  # what a task without a TPU gets where nothing is said


class Wanted(msgspec.Struct, frozen=True):
    """A job as it was typed; empty words were not said."""

    command: tuple[str, ...]
    name: str = ""
    tpu: str = ""
    cpu: str = ""
    memory: str = ""
    tasks: int = 0
    priority: str = ""
    zone: str = ""
    capacity: str = ""
    env: tuple[str, ...] = ()
    max_retries: int = 0
    run_timeout: str = ""


class JobReport(msgspec.Struct, frozen=True):
    """A job with its tasks, and the attempts of the one that tells most."""

    job: JobView
    tasks: tuple[TaskView, ...]
    attempts: tuple[AttemptView, ...]


def make_spec(wanted: Wanted) -> JobSpec:
    """What was typed, as a job. Raises UsageError, JobRefused."""
    if not wanted.command:
        raise UsageError(
            "there is no command to run",
            hint="It follows the dashes: `inv job.run -- python train.py`.",
        )
    spec = JobSpec(
        command=wanted.command,
        name=wanted.name or name_of(wanted.command),
        tasks=max(wanted.tasks, 1),
        constraints=Constraints(
            zones=(wanted.zone,) if wanted.zone else (),
            capacity=_choice("--capacity", Capacity, wanted.capacity),
        ),
        band=_choice("--priority", Band, wanted.priority) or Band.INTERACTIVE,
        env=dict(_variable(each) for each in wanted.env),
        max_retries=wanted.max_retries,
        run_timeout=_measure("--run-timeout", Duration(), wanted.run_timeout),
    )
    return _on_tpu(spec, wanted) if wanted.tpu else _on_cpu(spec, wanted)


def _on_cpu(spec: JobSpec, wanted: Wanted) -> JobSpec:
    cpus = _number("--cpu", wanted.cpu) if wanted.cpu else PLAIN_CPUS
    memory = int(_measure("--memory", Size(), wanted.memory))
    return replace(spec, resources=Resources(cpus, memory))


def _on_tpu(spec: JobSpec, wanted: Wanted) -> JobSpec:
    found = find_accelerator(wanted.tpu)
    if wanted.tasks and found.vms > 1 and wanted.tasks != found.vms:
        raise JobRefused(
            f"--tasks {wanted.tasks}: a job on {wanted.tpu} has one task for each of "
            f"its {found.vms} VMs",
            hint="Leave --tasks out.",
        )
    cpus = _number("--cpu", wanted.cpu) if wanted.cpu else 0.0
    memory = int(_measure("--memory", Size(), wanted.memory))
    return replace(
        spec,
        tasks=found.vms if found.vms > 1 else spec.tasks,
        gang=found.vms > 1,
        resources=Resources(cpus, memory, found.vm.chips),
        constraints=replace(spec.constraints, accelerator=wanted.tpu),
    )


def name_of(command: Sequence[str]) -> str:
    """The stem of the script that the command runs, as a job's name."""
    words = [Path(word).name for word in command if not word.startswith("-")]
    words = [word for word in words if word not in _INTERPRETERS] or ["job"]
    stem = Path(words[0]).stem.lower()
    kept = "".join(c if c.isalnum() and c.isascii() else "-" for c in stem)
    return kept.replace("_", "-").strip("-")[:40] or "job"


def submit(session: Session, wanted: Wanted, folder: Path | None, say: Say) -> JobView:
    """Accept a job; `folder` travels along as its bundle, if one is given."""
    spec = make_spec(wanted)
    client_id = uuid.uuid4().hex
    with session.controller() as client:
        if folder is not None:
            spec = replace(spec, bundle=_upload(client, folder, say))
        return client.submit(spec, client_id)


def _upload(client: Client, folder: Path, say: Say) -> str:
    from iris.bundles import pack

    with pack(folder) as bundle:
        client.upload_bundle(bundle)
        say(f"bundle {bundle.sha256[:12]}: {bundle.files} files of {folder}")
        return bundle.sha256


def follow(
    session: Session, job: str, task: int | None = None, cursor: int = 0
) -> Iterator[LogLine]:
    """The output of a job as it comes, until it has ended."""
    with session.controller() as client:
        yield from client.follow_log(_named(client, job), cursor, task)


def read_output(
    session: Session, job: str, task: int | None, attempt: int | None
) -> Iterator[LogLine]:
    """The output of a job as far as it is there."""
    with session.controller() as client:
        name, cursor = _named(client, job), 0
        while True:
            page = client.read_log(name, cursor, task=task, attempt=attempt)
            yield from page.items
            if not page.items and page.cursor == cursor:
                return
            cursor = page.cursor


def list_jobs(session: Session, state: str | None, limit: int) -> tuple[JobView, ...]:
    """The newest jobs."""
    _choice("--state", JobState, state or "")
    with session.controller() as client:
        return client.jobs(state=state, limit=limit)


def report(session: Session, job: str) -> JobReport:
    """A job, its tasks, and the attempts of its first task that did not succeed."""
    with session.controller() as client:
        name = _named(client, job)
        view, tasks = client.job(name), client.tasks(name, 100)
        telling = next((t for t in tasks if t.because), None)
        telling = telling or next(iter(tasks), None)
        attempts = client.attempts(name, telling.index) if telling else ()
        return JobReport(view, tasks, attempts)


def find(session: Session, job: str) -> JobView:
    """One job. Raises NotThere with the nearest name."""
    with session.controller() as client:
        return client.job(_named(client, job))


def cancel(session: Session, job: str, because: str) -> JobView:
    """Ask for the end of a job."""
    with session.controller() as client:
        return client.cancel(_named(client, job), because)


def wait(session: Session, job: str, timeout: float | None) -> JobView:
    """Return once a job has ended. Raises Late."""
    with session.controller() as client:
        return client.wait_for_job(_named(client, job), timeout)


def require_success(view: JobView) -> None:
    """Raises FellShort that names the attempt that was the cause."""
    if view.state is not JobState.SUCCEEDED:
        counts = ", ".join(f"{count} {state}" for state, count in view.counts.items())
        raise FellShort(
            f"job {view.name} {view.state}: {view.because or 'no reason given'}",
            hint=f"Of its tasks {counts}. `inv job.logs {view.name}` shows the output.",
        )


def _named(client: Client, job: str) -> str:
    """The job's name as the controller has it. Raises NotThere with the nearest."""
    import difflib

    try:
        return client.job(job).name
    except NotThere as error:
        names = [view.name for view in client.jobs(limit=1000)]
        near = difflib.get_close_matches(job, names, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "See `inv job.list`."
        raise NotThere(f"there is no job {job!r}", hint=hint) from error


def _choice(flag: str, kind: type[Choice], word: str) -> Choice | None:
    if not word:
        return None
    try:
        return kind(word)
    except ValueError:
        choices = ", ".join(kind)
        raise UsageError(f"{flag}: expected one of {choices}, got {word!r}") from None


def _number(flag: str, words: str) -> float:
    try:
        number = float(words)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e6:
        raise UsageError(f"{flag}: expected a number above 0, got {words!r}")
    return number


def _measure(flag: str, kind: Duration | Size, words: str) -> float:
    if not words:
        return 0.0
    try:
        return kind.read(words)
    except Refused as error:
        raise UsageError(f"{flag}: expected {kind.expected}, got {words!r}") from error


def _variable(words: str) -> tuple[str, str]:
    name, equals, value = words.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"--env: expected NAME=VALUE, got {words!r}")
    return name, value
