"""The output of jobs: pages and streams, and the controller's own log."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from iris.controller.api.jobs import own_job
from iris.controller.api.query import cursor_from, limited
from iris.controller.api.route import (
    OPERATORS,
    READERS,
    Call,
    Media,
    Routes,
    Service,
)
from iris.controller.logs import LogFilter
from iris.controller.parts import Parts
from iris.controller.streams import stream_log
from iris.controller.tail import read_tail
from iris.controller.task_views import require_task
from iris.domain.jobs import Job
from iris.domain.pages import LogPage, TextPage
from iris.domain.views import LogLine
from iris.errors import UsageError

MOST_TAIL = 1 << 20  # bytes
routes = Routes()


class LogQuery(msgspec.Struct, frozen=True):
    """Which output, and from where on."""

    cursor: int = 0
    task: int | None = None
    attempt: int | None = None
    limit: int = 1000
    since: float | None = None  # seconds ago, where no cursor is given; else all
    tail: int = 0  # bytes of the end of one attempt's output instead; 0 for none


class FollowLogQuery(msgspec.Struct, frozen=True):
    """Which output, and from where on."""

    cursor: int = 0
    task: int | None = None


class TailQuery(msgspec.Struct, frozen=True):
    """The last lines, or those from a cursor on."""

    lines: int = 200
    since: int = -1


@routes.add(
    *("GET", "/v1/jobs/{job}/log"),
    roles=READERS,
    for_jobs=True,
    query=LogQuery,
    answer=LogPage,
)
def get_log(call: Call[None, LogQuery]) -> LogPage:
    """A job's output from a cursor on; complete once nothing will follow."""
    query = call.query
    job = _job_with_task(call.parts, call, query.task)
    has_ended = call.parts.jobs.has_ended(job, query.task)  # before the log is read
    logs, start = call.parts.logs, _start_of(call, job)
    if query.tail:
        return _tail(call, job, has_ended)
    lines, cursor = logs.read(
        job.uid,
        start,
        LogFilter(query.task, query.attempt),
        most_lines=limited(query.limit),
    )
    is_whole = has_ended and cursor >= logs.end(job.uid)
    return LogPage(lines, cursor, complete=is_whole, start=start)


@routes.add(
    *("GET", "/v1/jobs/{job}/log:stream"),
    roles=READERS,
    for_jobs=True,
    query=FollowLogQuery,
    answer=LogLine,
    media=Media.EVENTS,
    service=Service.STREAM,
)
def follow_log(call: Call[None, FollowLogQuery]) -> Iterator[bytes]:
    """A job's output as it comes; the event `end` says that nothing will follow."""
    query = call.query
    job = _job_with_task(call.parts, call, query.task)
    cursor = cursor_from(query.cursor)
    call.parts.logs.read(
        job.uid, cursor, LogFilter(), most_lines=1
    )  # refuses a wrong cursor now
    return stream_log(call.parts, job, query.task, cursor, call.has_gone)


@routes.add(
    *("GET", "/v1/controller/log"), roles=OPERATORS, query=TailQuery, answer=TextPage
)
def get_controller_log(call: Call[None, TailQuery]) -> TextPage:
    """The end of the controller's own log."""
    query = call.query
    if query.since >= 0:
        return read_tail(call.parts.log_file, cursor_from(query.since), None)
    return read_tail(call.parts.log_file, None, limited(query.lines))


def _start_of(call: Call[None, LogQuery], job: Job) -> int:
    query = call.query
    if query.since is not None and query.since < 0:
        raise UsageError(f"since: expected 0 or more seconds, got {query.since}")
    if query.cursor or query.since is None:
        return cursor_from(query.cursor)
    if query.since == 0:  # what comes from now on, whatever the clock says
        return call.parts.logs.end(job.uid)
    at = call.parts.clock.now() - query.since
    return call.parts.logs.position_at(job.uid, at)


def _tail(call: Call[None, LogQuery], job: Job, has_ended: bool) -> LogPage:
    query, logs = call.query, call.parts.logs
    if query.task is None or query.attempt is None:
        raise UsageError("tail: is of one attempt: give task and attempt too")
    if not 0 < query.tail <= MOST_TAIL:
        raise UsageError(f"tail: expected 1 to {MOST_TAIL} bytes, got {query.tail}")
    end = logs.end(job.uid)
    lines = logs.last_of(job.uid, query.task, query.attempt, query.tail)
    return LogPage(lines, end, complete=has_ended, start=end)


def _job_with_task(
    parts: Parts,
    call: Call[None, LogQuery] | Call[None, FollowLogQuery],
    task: int | None,
) -> Job:
    job = own_job(parts, call.caller, call.params["job"])
    if task is not None:
        require_task(job, task)
    return job
