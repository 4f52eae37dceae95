"""A job as it was typed, made into what the controller accepts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from iris.config.job_rules import CLIENT_ID, SETUP, faults_of
from iris.config.kinds import Refused, Text
from iris.config.measures import Duration, Size
from iris.domain.accelerators import find_accelerator
from iris.domain.jobs import (
    LONGEST_GRACE,
    LONGEST_RUN,
    LONGEST_SETUP,
    LONGEST_STAY,
    SHORTEST_SETUP,
    After,
    AfterEnd,
    Band,
    Capacity,
    Constraints,
    JobSpec,
    SameName,
)
from iris.domain.resources import Resources
from iris.errors import JobRefused, NotThere, UsageError
from iris.operations.holding import hold_command
from iris.operations.secret_words import sources_of
from iris.operations.sweep_files import read_sweep
from iris.structs import convert

Choice = TypeVar("Choice", bound=StrEnum)

# Words that start another program; the job is named after what comes behind them.
_STARTERS = re.compile(r"(python|pypy)[0-9.]*|sh|bash|env|uv|run|time|nice|exec|uvx")
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")
RUN_TIME = Duration(most=LONGEST_RUN)
HOLD_TIME = Duration(1.0, LONGEST_RUN)
GRACE_TIME = Duration(most=LONGEST_GRACE)
STAY_TIME = Duration(most=LONGEST_STAY)
SETUP_TIME = Duration(SHORTEST_SETUP, LONGEST_SETUP)
PLAIN_CPUS = 1.0  # what a task without a TPU gets where nothing is said
LONGEST_NAME = 40  # letters; a number may follow


class Wanted(msgspec.Struct, frozen=True):
    """A job as it was typed; empty words were not said."""

    command: tuple[str, ...] = ()
    name: str = ""
    tpu: str = ""
    cpu: str = ""
    memory: str = ""
    disk: str = ""
    tasks: int | None = None
    priority: str = ""
    zone: str = ""
    capacity: str = ""
    env: tuple[str, ...] = ()
    max_retries: int | None = None
    run_timeout: str = ""
    image: str = ""
    scheduling_timeout: str = ""
    signal: str = ""
    stop_grace: str = ""
    checkpoint_dir: str = ""
    after: tuple[str, ...] = ()
    after_any: tuple[str, ...] = ()
    same_name: str = ""
    client_id: str = ""  # of the submission: a second one with it makes no job
    setup: str = ""  # a line for the shell
    setup_timeout: str = ""
    secret: tuple[str, ...] = ()  # NAME, NAME=env:VARIABLE or NAME=file:PATH
    each: str = ""  # the file of a sweep, a task for each of its lines
    keep_on_failure: str = ""
    hold: str = ""  # for how long the slice is held, in place of a command
    bundle: bool | None = None  # does the working folder travel along?


def wanted_by(flags: Mapping[str, object], command: tuple[str, ...]) -> Wanted:
    """The flags of `job.run` by name, those that are the command line's left out."""
    said = {name: flags[name] for name in Wanted.__struct_fields__ if name in flags}
    for flag, kind in (("client_id", CLIENT_ID), ("setup", SETUP)):
        said[flag] = _not_empty(flag, kind, flags[flag])
    is_told = flags["bundle"] is False  # the flag cannot say yes
    return convert(
        said | {"command": command, "bundle": False if is_told else None}, Wanted
    )


def make_spec(wanted: Wanted) -> JobSpec:
    """What was typed, as a job. Raises UsageError, JobRefused."""
    wanted = _commanded(wanted)
    if wanted.tasks is not None and wanted.tasks < 1:
        raise UsageError(f"--tasks: expected 1 or more, got {wanted.tasks}")
    if wanted.max_retries is not None and wanted.max_retries < 0:
        raise UsageError(f"--max-retries: expected 0 or more, got {wanted.max_retries}")
    wanted, each = _sweep(wanted) if wanted.each else (wanted, {})
    spec = JobSpec(
        command=wanted.command,
        name=wanted.name or name_of(wanted.command),
        tasks=wanted.tasks or 1,
        constraints=Constraints(
            zones=(wanted.zone,) if wanted.zone else (),
            capacity=read_choice("--capacity", Capacity, wanted.capacity),
        ),
        band=read_choice("--priority", Band, wanted.priority) or Band.INTERACTIVE,
        env=dict(_variable(each) for each in wanted.env),
        max_retries=wanted.max_retries or 0,
        run_timeout=_measure("--run-timeout", RUN_TIME, wanted.run_timeout),
        image=wanted.image,
        scheduling_timeout=_measure(
            "--scheduling-timeout", RUN_TIME, wanted.scheduling_timeout
        ),
        signal=wanted.signal or "SIGTERM",
        stop_grace=_measure("--stop-grace", GRACE_TIME, wanted.stop_grace or "10s"),
        checkpoint_dir=wanted.checkpoint_dir,
        each=each,
        after=(
            *(After(job) for job in wanted.after),
            *(After(job, AfterEnd.ANY) for job in wanted.after_any),
        ),
        same_name=read_choice("--same-name", SameName, wanted.same_name)
        or SameName.NUMBER,
    )
    spec = _with_surroundings(spec, wanted)
    return _sound(_on_tpu(spec, wanted) if wanted.tpu else _on_cpu(spec, wanted))


def _sound(spec: JobSpec) -> JobSpec:
    """Before anything is uploaded: as the controller would say it, by its flag."""
    for fault in faults_of(spec):
        raise UsageError(f"{fault.flag}: {fault.words}")
    return spec


def _commanded(wanted: Wanted) -> Wanted:
    """With the command that holds the slice, where that is all that is asked for."""
    if not wanted.hold:
        if wanted.command:
            return wanted
        raise UsageError(
            "there is no command to run",
            hint="It follows the dashes: `inv job.run -- python train.py`.",
        )
    seconds = _measure("--hold", HOLD_TIME, wanted.hold)
    for flag, is_there in (
        ("a command", wanted.command),
        ("--run-timeout", wanted.run_timeout),
        ("--keep-on-failure", wanted.keep_on_failure),
    ):
        if is_there:
            raise UsageError(
                f"--hold {wanted.hold}: {flag} does not go with it",
                hint="A hold runs nothing by itself: `inv job.exec` gets into it.",
            )
    return replace(wanted, command=hold_command(seconds), name=wanted.name or "hold")


def _with_surroundings(spec: JobSpec, wanted: Wanted) -> JobSpec:
    """What an attempt finds on its VM before it starts."""
    return replace(
        spec,
        disk_bytes=int(_measure("--disk", Size(), wanted.disk)),
        keep_on_failure=_measure(
            "--keep-on-failure", STAY_TIME, wanted.keep_on_failure
        ),
        hold=_measure("--hold", HOLD_TIME, wanted.hold),
        setup=wanted.setup,
        setup_timeout=_measure(
            "--setup-timeout", SETUP_TIME, wanted.setup_timeout or "20m"
        ),
        secrets=tuple(sources_of(wanted.secret)),
    )


def _sweep(wanted: Wanted) -> tuple[Wanted, dict[str, tuple[str, ...]]]:
    """As many tasks as the file has lines, and the variables of each."""
    each = read_sweep(Path(wanted.each))
    lines = len(next(iter(each.values())))
    if wanted.tasks not in (None, lines):
        raise UsageError(
            f"--tasks {wanted.tasks}: {wanted.each} has {lines} lines, one for a task",
            hint="Leave --tasks out.",
        )
    return replace(wanted, tasks=lines), each


def name_of(command: Sequence[str]) -> str:
    """The stem of the script that a command runs, as a job's name."""
    found = Path(command[0])
    for word in command:
        is_flag = word.startswith("-") or _VARIABLE.match(word) is not None
        if word == "-c":
            break  # what follows is a program's text, not its name
        if not is_flag:
            found = Path(word)
            if not _STARTERS.fullmatch(found.name):
                break
    stem = found.stem if found.suffix in (".py", ".sh") else found.name
    kept = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    return kept[:LONGEST_NAME].rstrip("-") or "job"


def read_choice(flag: str, kind: type[Choice], word: str) -> Choice | None:
    """One of a few words; None where nothing was said. Raises UsageError."""
    if not word:
        return None
    try:
        return kind(word)
    except ValueError:
        choices = ", ".join(kind)
        raise UsageError(f"{flag}: expected one of {choices}, got {word!r}") from None


def _on_cpu(spec: JobSpec, wanted: Wanted) -> JobSpec:
    cpus = _number("--cpu", wanted.cpu) if wanted.cpu else PLAIN_CPUS
    memory = int(_measure("--memory", Size(), wanted.memory))
    return replace(spec, resources=Resources(cpus, memory))


def _on_tpu(spec: JobSpec, wanted: Wanted) -> JobSpec:
    try:
        found = find_accelerator(wanted.tpu)
    except NotThere as error:
        raise UsageError(f"--tpu: {error.message}", error.hint) from error
    if wanted.tasks is not None and found.vms > 1 and wanted.tasks != found.vms:
        raise JobRefused(
            f"--tasks {wanted.tasks}: a job on {wanted.tpu} has one task for each of "
            f"its {found.vms} VMs",
            hint=(
                f"{wanted.each} needs {found.vms} lines: each task is one of a gang."
                if wanted.each
                else "Leave --tasks out."
            ),
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


def _not_empty(flag: str, kind: Text, words: object) -> str:
    """An empty one is a mistake, as of a variable that is not set: it would be none."""
    if words is None:
        return ""
    try:
        return kind.read(words)
    except Refused as error:
        typed = f"--{flag.replace('_', '-')}"
        raise UsageError(f"{typed}: expected {kind.expected}, got {words!r}") from error


def _variable(words: str) -> tuple[str, str]:
    name, equals, value = words.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"--env: expected NAME=VALUE, got {words!r}")
    return name, value
