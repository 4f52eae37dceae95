"""Submits jobs, shows them, follows their output, ends them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from invoke.context import Context

from iris.commands._edge import (
    CONFIG,
    DRY_RUN,
    JSON,
    WAIT,
    command,
    seconds,
    show,
    tell,
    words_after_dashes,
)

if TYPE_CHECKING:
    from iris.domain.views import LogLine
    from iris.session import Session

FOLLOW = {"follow": "Go on with the output as it comes, until the job has ended."}
JOB = {"job": "The job, by its name or uid."}


@command(
    iterable=["env"],
    help=CONFIG
    | WAIT
    | JSON
    | DRY_RUN
    | {
        "name": "The job's name; else the stem of its script, with a number if taken.",
        "tpu": "The accelerator, such as v5litepod-16: one task for each of its VMs.",
        "cpu": "CPUs of one task, 1 without a TPU.",
        "memory": "Memory of one task, such as 16GB: reserved, and its limit.",
        "tasks": "How many tasks; each has its number in IRIS_TASK_INDEX.",
        "priority": "production, interactive or batch.",
        "zone": "The zone to run in.",
        "capacity": "on-demand, spot, reserved or queued.",
        "env": "NAME=VALUE for the environment; may be given again.",
        "max-retries": "Failures of a task that are tried again; losses always are.",
        "run-timeout": "How long an attempt may run, such as 2h.",
        "bundle": "Take the working folder along: what git does not ignore.",
        "follow": "Show the output; exit 0 only if every task succeeded.",
    },
)
def run(
    c: Context,
    env: Iterable[str],
    name: str = "",
    tpu: str = "",
    cpu: str = "",
    memory: str = "",
    tasks: int = 0,
    priority: str = "",
    zone: str = "",
    capacity: str = "",
    max_retries: int = 0,
    run_timeout: str = "",
    bundle: bool = True,
    follow: bool = False,
    wait_timeout: str | None = None,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Run a command on the cluster: `inv job.run [flags] -- python train.py`."""
    from pathlib import Path

    from iris.operations import jobs
    from iris.session import open_session

    wanted = jobs.Wanted(
        command=words_after_dashes(),
        name=name,
        tpu=tpu,
        cpu=cpu,
        memory=memory,
        tasks=tasks,
        priority=priority,
        zone=zone,
        capacity=capacity,
        env=tuple(env),
        max_retries=max_retries,
        run_timeout=run_timeout,
    )
    session = open_session(config, cluster)
    if dry_run:
        spec = jobs.make_spec(wanted)
        return show(spec, f"would submit {spec.name}: {spec.tasks} tasks", as_json=json)
    job = jobs.submit(session, wanted, Path.cwd() if bundle else None, tell)
    if not follow:
        said = f"job {job.name} accepted: {job.spec.tasks} tasks"
        return show(job, f"{said}; `inv job.logs {job.name} -f` follows", as_json=json)
    tell(f"job {job.name} accepted: {job.spec.tasks} tasks")
    _follow(session, job.name, None)
    ended = jobs.wait(session, job.name, seconds(wait_timeout))
    jobs.require_success(ended)
    tell(f"job {job.name} succeeded")


@command(
    name="list",
    help=CONFIG
    | JSON
    | {"state": "Only jobs in this state.", "limit": "How many, the newest first."},
)
def list_(
    c: Context,
    state: str | None = None,
    limit: int = 50,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """List jobs, the newest first."""
    from iris.commands._texts import job_table
    from iris.operations import jobs
    from iris.session import open_session

    found = jobs.list_jobs(open_session(config, cluster), state, limit)
    show(found, lambda: job_table(found), as_json=json)


@command(positional=["job"], help=CONFIG | JSON | JOB)
def status(
    c: Context,
    job: str,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """Show a job, its tasks and their attempts, each with its reason."""
    from iris.commands._texts import job_report
    from iris.operations import jobs
    from iris.session import open_session

    found = jobs.report(open_session(config, cluster), job)
    show(found, lambda: job_report(found), as_json=json)


@command(
    positional=["job"],
    help=CONFIG
    | JOB
    | FOLLOW
    | {"task": "Only this task.", "attempt": "Only this attempt (not with -f)."},
)
def logs(
    c: Context,
    job: str,
    task: int | None = None,
    attempt: int | None = None,
    follow: bool = False,
    config: str | None = None,
    cluster: str | None = None,
) -> None:
    """Print the output of a job, of all tasks or of one."""
    from iris.operations import jobs
    from iris.session import open_session

    session = open_session(config, cluster)
    chosen = _index("--task", task)
    if follow:
        return _follow(session, job, chosen)
    tried = _index("--attempt", attempt)
    for piece in jobs.read_output(session, job, chosen, tried):
        _write(piece)


@command(
    positional=["job"],
    help=CONFIG | JSON | DRY_RUN | JOB | {"because": "Why, for those who ask."},
)
def cancel(
    c: Context,
    job: str,
    because: str = "",
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """End a job: what waits ends at once, what runs gets its signal."""
    from iris.operations import jobs
    from iris.session import open_session

    session = open_session(config, cluster)
    if dry_run:
        return show(jobs.find(session, job), f"would cancel {job}", as_json=json)
    ended = jobs.cancel(session, job, because)
    show(ended, f"job {ended.name} is being cancelled", as_json=json)


@command(positional=["job"], help=CONFIG | JSON | JOB | WAIT)
def wait(
    c: Context,
    job: str,
    wait_timeout: str | None = None,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """Wait until a job has ended; exit 0 only if every task succeeded."""
    from iris.operations import jobs
    from iris.session import open_session

    ended = jobs.wait(open_session(config, cluster), job, seconds(wait_timeout))
    show(ended, f"job {ended.name} {ended.state}", as_json=json)
    jobs.require_success(ended)


def _follow(session: Session, job: str, task: int | None) -> None:
    """Ctrl-C ends only our watching."""
    from iris.operations import jobs

    try:
        for piece in jobs.follow(session, job, task):
            _write(piece)
    except KeyboardInterrupt:
        tell(f"\njob {job} goes on. Follow it again: `inv job.logs {job} -f`")
        tell(f"End it: `inv job.cancel {job}`")
        raise


def _write(piece: LogLine) -> None:
    sys.stdout.buffer.write(piece.content)
    sys.stdout.buffer.flush()


def _index(flag: str, given: int | str | None) -> int | None:
    from iris.errors import UsageError

    if given is None or isinstance(given, int):
        return given
    if not given.isdecimal():
        raise UsageError(f"{flag}: expected a number from 0 on, got {given!r}")
    return int(given)
