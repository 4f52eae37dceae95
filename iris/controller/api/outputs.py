"""Outputs: workers send them in pieces, the users of a job get them in pieces."""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from iris.controller.api.jobs import own_job
from iris.controller.api.query import cursor_from, limited, page_number
from iris.controller.api.route import (
    USERS,
    WORKERS,
    Call,
    Media,
    NoQuery,
    Routes,
)
from iris.controller.parts import Parts
from iris.controller.task_views import require_task
from iris.domain.jobs import Attempt, Job
from iris.domain.pages import Page
from iris.domain.protocol import MOST_IN_PIECE, OutputsHad, OutputsOffer
from iris.domain.states import ATTEMPT_ENDED, AttemptState, TaskState
from iris.domain.views import AttemptView, OutputsView, TaskView
from iris.errors import NotThere, UsageError

NOTHING_WRITTEN = "it wrote nothing to IRIS_OUTPUT_DIR"
routes = Routes()


class OutputsQuery(msgspec.Struct, frozen=True):
    """Which task and attempt; without them every task, and the last attempt of each."""

    task: int | None = None
    attempt: int | None = None
    limit: int = 100
    page: str = ""


class PieceQuery(msgspec.Struct, frozen=True):
    """Where the piece begins."""

    offset: int = 0


@routes.add(
    *("POST", "/v1/attempts/{uid}/outputs"),
    roles=WORKERS,
    body=OutputsOffer,
    answer=OutputsHad,
)
def offer_outputs(call: Call[OutputsOffer, NoQuery]) -> OutputsHad:
    """Say what an attempt left; the answer says how much of it is here."""
    attempt = _own_attempt(call)
    call.parts.disk.require_floor()  # the worker offers it again, for as long as it may
    return call.parts.outputs.offer(attempt, call.body)


@routes.add(
    *("PUT", "/v1/attempts/{uid}/outputs"),
    roles=WORKERS,
    body=bytes,
    most_bytes=MOST_IN_PIECE,
    query=PieceQuery,
    answer=OutputsHad,
)
def put_outputs(call: Call[BinaryIO, PieceQuery]) -> OutputsHad:
    """Keep a piece of what was offered; one that begins elsewhere is left out."""
    attempt, offset = _own_attempt(call), cursor_from(call.query.offset)
    call.parts.disk.require_floor()
    return call.parts.outputs.append(attempt, offset, call.body.read())


@routes.add(
    *("GET", "/v1/jobs/{job}/outputs"),
    roles=USERS,
    for_jobs=True,
    query=OutputsQuery,
    answer=Page[OutputsView],
)
def list_outputs(call: Call[None, OutputsQuery]) -> Page[OutputsView]:
    """What each task left, or why there is nothing."""
    query, parts = call.query, call.parts
    job = own_job(parts, call.caller, call.params["job"])
    if query.task is None:
        first, limit = page_number(query.page, 0), limited(query.limit)
        page = parts.jobs.tasks(job, None, first, limit)
    else:
        require_task(job, query.task)
        page = parts.jobs.tasks(job, None, query.task, 1)
        page = Page(page.items)
    found = tuple(_view(parts, job, task, query.attempt) for task in page.items)
    return Page(found, page.next_page)


@routes.add(
    *("GET", "/v1/jobs/{job}/tasks/{index}/attempts/{number}/outputs"),
    roles=USERS,
    for_jobs=True,
    query=PieceQuery,
    answer=bytes,
    media=Media.BYTES,
)
def get_outputs(call: Call[None, PieceQuery]) -> bytes:
    """A piece of what an attempt left, packed; an empty one is behind the end."""
    job = own_job(call.parts, call.caller, call.params["job"])
    task, number = (page_number(call.params[name], 0) for name in ("index", "number"))
    path = call.parts.outputs.path(job.uid, task, number)
    try:
        with path.open("rb") as file:
            file.seek(cursor_from(call.query.offset))
            return file.read(MOST_IN_PIECE)
    except FileNotFoundError as error:
        raise NotThere(f"the outputs of job {job.name} were just deleted") from error


def _own_attempt(
    call: Call[OutputsOffer, NoQuery] | Call[BinaryIO, PieceQuery],
) -> Attempt:
    uid = call.params["uid"]
    with call.parts.state.reading() as tables:
        attempt = tables.attempts.get(uid)
    if attempt is None or attempt.worker_uid != call.caller.worker_uid:
        raise NotThere(f"there is no attempt {uid[:80]!r} of yours")
    if attempt.state in ATTEMPT_ENDED:
        raise NotThere(f"attempt {uid} has ended")
    return attempt


def _view(parts: Parts, job: Job, task: TaskView, number: int | None) -> OutputsView:
    if number is not None and number < 0:
        raise UsageError(f"attempt: expected 0 or more, got {number}")
    number = task.attempts - 1 if number is None else number
    known = parts.outputs.find(job.uid, task.index, number)
    if known is None:
        missing = parts.outputs.gone(job.uid) or _why_none(parts, job, task, number)
        known = OutputsOffer(missing=missing)
    return OutputsView(
        job=job.name,
        task=task.index,
        attempt=number,
        size_bytes=known.size_bytes,
        sha256=known.sha256,
        files=known.files,
        content_bytes=known.content_bytes,
        left_out=known.left_out,
        missing=known.missing,
    )


def _why_none(parts: Parts, job: Job, task: TaskView, number: int) -> str:
    """Without asking for attempts where the task alone tells: there may be many."""
    if task.attempts == 0:
        return "no attempt of it began"
    if number >= task.attempts:
        return f"there is no attempt {number}, the last one is {task.attempts - 1}"
    if task.state is TaskState.SUCCEEDED and number == task.attempts - 1:
        return NOTHING_WRITTEN
    attempts = parts.jobs.attempts(job, task.index).items
    return _why_of(next((a for a in attempts if a.number == number), None))


def _why_of(attempt: AttemptView | None) -> str:
    if attempt is not None and attempt.state not in ATTEMPT_ENDED:
        return f"it has not ended: it is {attempt.state}"
    if attempt is not None and attempt.state is AttemptState.LOST:
        because = attempt.detail or attempt.cause or "no reason given"
        return f"it was lost before any were collected: {because}"
    return NOTHING_WRITTEN
