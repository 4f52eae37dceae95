"""What a job leaves behind: its output, and the files of its tasks."""

from __future__ import annotations

from invoke.context import Context

from iris.commands._edge import CONFIG, JSON, command, show
from iris.commands._following import fetching, watching

FOLLOW = {"follow": "Go on with the output as it comes, until the job has ended."}
JOB = {"job": "The job, by its name or uid; JOB/i is one task."}


@command(
    positional=["job", "task"],
    help=CONFIG
    | JSON
    | JOB
    | {
        "task": "Only this task; its files go straight to the folder.",
        "attempt": "What this attempt left, from 0 on; else the last one.",
        "output": "The folder that the files go to; else one of the job's name.",
        "force": "Replace files that are another's or were changed.",
    },
)
def fetch(
    c: Context,
    job: str,
    task: int | None = None,
    attempt: int | None = None,
    output: str = "",
    force: bool = False,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """Fetch what a job's tasks left in IRIS_OUTPUT_DIR."""
    from pathlib import Path

    from iris.commands._marks import open_session
    from iris.operations import fetching as operation
    from iris.operations import jobs

    name, task = jobs.job_and_one_task(job, task)
    session = open_session(config, cluster)
    found = jobs.find(session, name)
    folder = Path(output or found.name)
    wanted = operation.Wanted(folder, task, attempt, force)
    with fetching() as say:
        fetched = operation.fetch(session, found, wanted, say)
    show(fetched, lambda: operation.words_of(fetched), as_json=json)


@command(
    positional=["job"],
    help=CONFIG
    | JOB
    | FOLLOW
    | {
        "task": "Only this task.",
        "attempt": "Only this attempt, from 0 on.",
        "since": "Only what came that long ago or later, such as 10m.",
        "grep": "Only lines that match this regular expression.",
        "prefix": "The task's name before each line.",
        "json": "Print each piece as a line of JSON, as the API gives it.",
    },
)
def logs(
    c: Context,
    job: str,
    task: int | None = None,
    attempt: int | None = None,
    since: str = "",
    grep: str = "",
    prefix: bool = False,
    follow: bool = False,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """Print the output of a job, of all tasks or of one."""
    from iris.commands._marks import open_session
    from iris.operations import job_logs, jobs

    name, task = jobs.job_and_one_task(job, task)
    wanted = job_logs.Wanted(task, attempt, since, grep, prefix)
    job_logs.require_sound(wanted)
    session = open_session(config, cluster)
    found = jobs.find(session, name)
    read = job_logs.follow if follow else job_logs.read
    with watching(found, task, as_json=json) as write:
        for piece in read(session, found, wanted):
            write(piece)
