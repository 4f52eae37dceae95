"""Getting into an attempt: which one it is, and whether the caller may."""

from __future__ import annotations

from msgspec.structs import replace

from iris.controller.api.jobs import own_job
from iris.controller.api.query import page_number
from iris.controller.api.route import USERS, Call, NoQuery, Routes
from iris.controller.task_views import attempt_view, require_task
from iris.controller.views import JobViews
from iris.domain.jobs import Job
from iris.domain.views import AttemptView, TaskView
from iris.errors import Conflict
from iris.planning.entering import why_closed

routes = Routes()


@routes.add(
    *("GET", "/v1/jobs/{job}/tasks/{index}/entrance"),
    roles=USERS,
    answer=AttemptView,
)
def entrance(call: Call[None, NoQuery]) -> AttemptView:
    """The attempt to get into: for the job's user and operators, while it runs."""
    jobs = call.parts.jobs
    job = own_job(call.parts, call.caller, call.params["job"])
    task = _task(jobs, job, page_number(call.params["index"], 0))
    with call.parts.state.reading() as tables:
        held = (
            tables.tasks[job.uid].task(task.index) if job.uid in tables.jobs else None
        )
        attempt = tables.attempts.get(held.attempt_uid) if held else None
    if attempt is None and not task.because:
        task = replace(task, because=jobs.view(job).because)
    words, hint = why_closed(job, task, attempt)
    if words or attempt is None:
        raise Conflict(words, hint)
    return attempt_view(job, attempt)


def _task(jobs: JobViews, job: Job, index: int) -> TaskView:
    require_task(job, index)
    return jobs.tasks(job, None, index, 1).items[0]
