"""Submits jobs, shows them, follows their output, ends them."""

from __future__ import annotations

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
from iris.commands._entering import exec_ as exec_
from iris.commands._entering import forward as forward
from iris.commands._following import (
    end,
    going_on,
    tasks_of,
    watching,
    what_follows,
)

if TYPE_CHECKING:
    from iris.domain.views import JobView
    from iris.operations.job_outlook import Outlook
    from iris.session import Session

JOB = {"job": "The job, by its name or uid."}


@command(
    takes_words=True,
    iterable=["env", "secret", "after", "after_any"],
    help=CONFIG
    | WAIT
    | JSON
    | DRY_RUN
    | {
        "name": "The job's name; else the stem of its script, with a number if taken.",
        "tpu": "The accelerator, such as v5litepod-16: one task for each of its VMs.",
        "cpu": "CPUs of one task, 1 without a TPU.",
        "memory": "Memory of one task, such as 16GB: reserved, and its limit.",
        "disk": "Free disk that its VM must have at the start, such as 50GB.",
        "tasks": "How many tasks; each has its number in IRIS_TASK_INDEX.",
        "priority": "production, interactive or batch.",
        "zone": "The zone to run in.",
        "capacity": "on-demand, spot, reserved or queued.",
        "env": "NAME=VALUE for the environment; may be given again.",
        "setup": "A line for the shell, run once per VM: `pip install -r x.txt`.",
        "setup-timeout": "How long that may take, such as 5m; else 20m, at most 25m.",
        "secret": "NAME of the cluster's, or NAME=env:VARIABLE, or NAME=file:PATH.",
        "max-retries": "Failures of a task that are tried again; losses always are.",
        "run-timeout": "How long an attempt may run, such as 2h.",
        "signal": "What an attempt hears when it is to end; else SIGTERM.",
        "stop-grace": "How long after that signal SIGKILL follows, such as 2m.",
        "checkpoint-dir": "A path or URL; every attempt has it in IRIS_CHECKPOINT_DIR.",
        "image": "The image of its containers, where the cluster's runtime is docker.",
        "scheduling-timeout": "How long it may wait for its first start, such as 1h.",
        "after": "A job that has to succeed before this one begins; or more.",
        "after-any": "A job that has to end, however it does.",
        "same-name": "If one of the name is live: number, refuse, keep or replace it.",
        "client-id": "Words of yours that make it one job however often it is run.",
        "file": "A job file: YAML with a key for each flag; flags go before it.",
        "each": "A .jsonl or .csv file: a task for each line, its fields as variables.",
        "keep-on-failure": "Where it fails, keep its place so long, to get in.",
        "hold": "Run nothing, but hold the slice so long, such as 4h, to get in.",
        "bundle": "Take the working folder along: what git does not ignore.",
        "follow": "Show the output; exit 0 only if every task succeeded.",
    },
)
def run(
    c: Context,
    env: list[str],
    secret: list[str],
    after: list[str],
    after_any: list[str],
    name: str = "",
    tpu: str = "",
    cpu: str = "",
    memory: str = "",
    disk: str = "",
    tasks: int | None = None,
    priority: str = "",
    zone: str = "",
    capacity: str = "",
    max_retries: int | None = None,
    run_timeout: str = "",
    image: str = "",
    scheduling_timeout: str = "",
    signal: str = "",
    stop_grace: str = "",
    checkpoint_dir: str = "",
    setup: str | None = None,
    setup_timeout: str = "",
    same_name: str = "",
    client_id: str | None = None,
    file: str = "",
    each: str = "",
    keep_on_failure: str = "",
    hold: str = "",
    bundle: bool = True,
    follow: bool = False,
    wait_timeout: str | None = None,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Run a command on the cluster: `inv job.run [flags] -- python train.py`."""
    flags = locals()
    from pathlib import Path

    from iris.commands._marks import open_session
    from iris.operations import jobs
    from iris.operations.job_words import wanted_by

    wanted = jobs.wanted_of(wanted_by(flags, words_after_dashes()), file)
    session, wait = open_session(config, cluster), seconds(wait_timeout)
    folder = None if wanted.bundle is False else Path.cwd()
    if dry_run:
        seen = jobs.foresee(session, wanted, folder, tell)
        return _show_outlook(seen, as_json=json)
    job = jobs.submit(session, wanted, folder, tell)
    accepted = "was accepted before" if job.was_there else "accepted"
    said = f"job {job.name} {accepted}: {tasks_of(job.spec)}"
    if not follow:
        return show(job, f"{said}; {what_follows(job)}", as_json=json)
    tell(said)
    _follow(session, job, wait, as_json=json)


def _follow(
    session: Session, job: JobView, wait: float | None, *, as_json: bool
) -> None:
    from iris.operations import jobs

    with watching(job, as_json=as_json) as write:
        ended = jobs.watch(session, job, write, tell, wait)
    last = () if ended.spec.tasks == 1 else jobs.last_lines(session, ended)
    end(ended, last, as_json=as_json)


def _show_outlook(seen: Outlook, *, as_json: bool) -> None:
    from iris.operations.job_outlook import words_of

    name = seen.answer.name if seen.answer else seen.spec.name
    said = f"would submit {name}: {tasks_of(seen.spec)}"
    if seen.answer and seen.answer.was_there:
        said = f"would submit nothing: job {name} was accepted before"
    show(seen, f"{said}\n{words_of(seen)}", as_json=as_json)


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
    from iris.commands._marks import open_session
    from iris.commands._texts import job_table
    from iris.operations import jobs

    found = jobs.list_jobs(open_session(config, cluster), state, limit)
    show(found, lambda: job_table(found), as_json=json)


@command(
    positional=["job"],
    help=CONFIG | JSON | {"job": "The job, by its name or uid; JOB/i is one task."},
)
def status(
    c: Context,
    job: str,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """Show a job, its tasks and their attempts, each with its reason."""
    from iris.commands._marks import open_session
    from iris.commands._texts import job_report
    from iris.operations import jobs

    found = jobs.report(open_session(config, cluster), job)
    show(found, lambda: job_report(found), as_json=json)


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
    from iris.commands._marks import open_session
    from iris.operations import jobs

    session = open_session(config, cluster)
    found = jobs.find(session, job)
    if dry_run:
        said = f"would cancel {found.name}, which is {found.state}"
        return show(found, said, as_json=json)
    asked = jobs.cancel(session, found, because)
    show(asked, jobs.words_of_cancel(found, asked), as_json=json)


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
    from iris.commands._marks import open_session
    from iris.operations import jobs

    timeout = seconds(wait_timeout)
    session = open_session(config, cluster)
    found = jobs.find(session, job)
    with going_on(found):
        ended = jobs.wait(session, found, tell, timeout)
    show(ended, f"job {ended.name} {ended.state}", as_json=json)
    jobs.require_success(ended, jobs.last_lines(session, ended))
