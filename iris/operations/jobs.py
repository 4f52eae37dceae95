"""Submits jobs, shows them, follows them, waits for them, ends them."""

from __future__ import annotations

import difflib
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
from msgspec.structs import replace

from iris.client import Client
from iris.domain.jobs import JobSpec
from iris.domain.pages import Admission
from iris.domain.states import JOB_ENDED, JobState
from iris.domain.views import AttemptView, JobView, LogLine, TaskView
from iris.errors import (
    CloudError,
    FellShort,
    Late,
    NoCluster,
    NotThere,
    Unreachable,
    UsageError,
)
from iris.operations.job_files import over, read_job_file
from iris.operations.job_outlook import Outlook, look_ahead
from iris.operations.job_words import Wanted, make_spec, read_choice
from iris.operations.progress import telling_why
from iris.operations.secret_words import read_secrets, require_outside
from iris.session import LOOK, Session

Say = Callable[[str], None]
Show = Callable[[LogLine], None]

MOST_TASKS_SHOWN = 100
LAST_LINES = 10  # of the attempt that was the cause
LAST_BYTES = 4000
_NOBODY = (CloudError, Late, NoCluster, Unreachable)
_TASK = re.compile(r"(.+)/([0-9]{1,9})")


class JobReport(msgspec.Struct, frozen=True):
    """A job with its first tasks, or the one asked for, and the attempts of one."""

    job: JobView
    tasks: tuple[TaskView, ...]
    attempts: tuple[AttemptView, ...]


def wanted_of(typed: Wanted, file: str) -> Wanted:
    """What was typed, over what a job file says, if there is one. Raises UsageError."""
    return over(typed, read_job_file(Path(file))) if file else typed


def foresee(session: Session, wanted: Wanted, folder: Path | None, say: Say) -> Outlook:
    """What would be submitted, where it could run, what it would cost an hour.

    The controller is asked whether it would accept the job, if one answers.
    """
    spec, names = make_spec(wanted), tuple(read_secrets(wanted.secret))
    outlook = look_ahead(spec, session.config.groups())
    if folder is not None:
        _require_bundle(folder, wanted)
    if session.record is None:
        return outlook
    try:
        with session.controller(patience=0) as client:
            answer = _check(client, spec, wanted.client_id, names)
    except _NOBODY as error:
        say(f"no controller says whether it would accept this: {error}")
        return outlook
    return replace(outlook, answer=answer)


def submit(session: Session, wanted: Wanted, folder: Path | None, say: Say) -> JobView:
    """Accept a job, or find the one that was; `folder` is its bundle, if given."""
    spec = make_spec(wanted)
    secrets = read_secrets(wanted.secret)
    client_id = wanted.client_id or uuid.uuid4().hex
    with session.controller() as client:
        if folder is not None:
            require_outside(folder, wanted.secret)
            check = partial(_check, client, spec, client_id, secrets)
            spec = replace(spec, bundle=_upload(client, folder, check, say))
        return client.submit(spec, client_id, secrets)


def watch(
    session: Session,
    job: JobView,
    show: Show,
    say: Say,
    timeout: float | None = None,
) -> JobView:
    """Show the output as it comes; returns the job once it has ended. Raises Late."""
    until = None if timeout is None else session.clock.now() + timeout
    with session.controller() as client, telling_why(session, job.uid, say):
        for piece in client.follow_log(job.uid, until=until):
            show(piece)
        left = None if until is None else max(until - session.clock.now(), 0.0)
        return client.wait_for_job(job.uid, left)


def wait(session: Session, job: JobView, say: Say, timeout: float | None) -> JobView:
    """Return once a job has ended. Raises Late."""
    with session.controller() as client, telling_why(session, job.uid, say):
        return client.wait_for_job(job.uid, timeout)


def list_jobs(session: Session, state: str | None, limit: int) -> tuple[JobView, ...]:
    """The newest jobs."""
    read_choice("--state", JobState, state or "")
    with session.controller(LOOK) as client:
        return client.jobs(state=state, limit=limit)


def report(session: Session, named: str) -> JobReport:
    """A job, its tasks, and the attempts of the one that tells most; or JOB/i's alone.

    That is the task whose failure made the job fail, or the first one with a reason.
    """
    name, asked = job_and_task(named)
    with session.controller(LOOK) as client:
        view = _find(client, name)
        if asked is not None:
            attempts = client.attempts(view.uid, asked)
            return JobReport(view, (client.task(view.uid, asked),), attempts)
        tasks = client.tasks(view.uid, MOST_TASKS_SHOWN)
        telling = view.blamed_task
        if telling < 0:
            telling = next((t.index for t in tasks if t.because), 0)
        attempts = client.attempts(view.uid, telling)
        return JobReport(view, tasks, attempts)


def job_and_task(named: str) -> tuple[str, int | None]:
    """The job of JOB or JOB/i, and i where it is said: no name has a `/`."""
    told = _TASK.fullmatch(named)
    return (told[1], int(told[2])) if told else (named, None)


def job_and_one_task(named: str, task: int | None) -> tuple[str, int | None]:
    """The same where the task may be said by a word of its own. Raises UsageError."""
    name, told = job_and_task(named)
    if told is not None and task not in (None, told):
        raise UsageError(f"{named} is task {told}, and task {task} is asked for too")
    return name, task if told is None else told


def find(session: Session, job: str) -> JobView:
    """A job by name or uid. Raises NotThere with the nearest name."""
    with session.controller() as client:
        return _find(client, job)


def cancel(session: Session, job: JobView, because: str) -> JobView:
    """Ask for the end of a job; one that has ended stays as it is."""
    with session.controller() as client:
        return client.cancel(job.uid, because)


def words_of_cancel(before: JobView, after: JobView) -> str:
    """What became of asking for a job's end."""
    if before.state in JOB_ENDED:
        return f"job {before.name} has ended already: {before.state}"
    if after.state in JOB_ENDED:
        return f"job {after.name} is {after.state}"
    return f"job {after.name} is being cancelled: what runs has its signal"


def last_lines(session: Session, view: JobView) -> tuple[str, ...]:
    """The end of what the attempt wrote that made the job fail; empty without one."""
    if view.blamed_task < 0:
        return ()
    task, attempt = view.blamed_task, view.blamed_attempt
    with session.controller(LOOK) as client:
        pieces = client.read_log_end(view.uid, task, attempt, LAST_BYTES)
    end = b"".join(piece.content for piece in pieces)[-LAST_BYTES:]
    lines = end.decode(errors="replace").splitlines()
    return tuple(lines[-LAST_LINES:])


def require_success(view: JobView, said: Sequence[str] = ()) -> None:
    """Raises FellShort that names the attempt that was the cause, and what it said."""
    if view.state is not JobState.SUCCEEDED:
        counts = ", ".join(f"{count} {state}" for state, count in view.counts.items())
        words = f"job {view.name} {view.state}: {view.because or 'no reason given'}"
        if said:
            name = f"attempt {view.blamed_attempt} of task {view.blamed_task}"
            words = "\n    ".join((f"{words}\n{name} said at last:", *said))
        raise FellShort(
            words,
            hint=f"Of its tasks {counts}. {_where_to_look(view)}",
        )


def _where_to_look(view: JobView) -> str:
    """A log is empty where nothing ran."""
    status, output = f"`inv job.status {view.name}`", f"`inv job.logs {view.name}`"
    if view.state is JobState.CANCELLED:
        return f"{status} says what became of each, {output} shows what ran."
    if view.blamed_attempt < 0:
        return f"None of them ran: {status} says why."
    return f"{output} shows the output."


def _check(
    client: Client, spec: JobSpec, client_id: str, names: Iterable[str]
) -> Admission | None:
    """What the controller would say; None of one that is older than the question."""
    with suppress(NotThere):
        return client.check(spec, client_id, names)
    return None


def _require_bundle(folder: Path, wanted: Wanted) -> None:
    """Could it travel? Raises UsageError, BadBundle."""
    from iris.bundles import pack

    require_outside(folder, wanted.secret)
    with pack(folder):
        pass


def _upload(client: Client, folder: Path, check: Callable[[], object], say: Say) -> str:
    """Its SHA-256; what the controller would refuse anyway is not uploaded for."""
    from iris.bundles import pack

    with pack(folder) as bundle:
        is_new = client.upload_bundle(bundle, check)
        what = f"{bundle.files} files of {folder}, {bundle.size / 1e6:.1f} MB"
        said = "uploaded" if is_new else "there already"
        say(f"bundle {bundle.sha256[:12]}: {what}, {said}")
        return bundle.sha256


def _find(client: Client, job: str) -> JobView:
    try:
        return client.job(job)
    except NotThere as error:
        names = [view.name for view in client.jobs(limit=1000)]
        near = difflib.get_close_matches(job, names, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else error.hint
        raise NotThere(f"there is no job {job!r}", hint=hint) from error
