"""Jobs: accept, list, cancel, explain; their tasks and attempts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from iris.controller.admission import admit
from iris.controller.api.query import limited, page_number
from iris.controller.api.route import MIB, READERS, USERS, Call, NoQuery, Routes
from iris.controller.auth import Caller
from iris.controller.history import JobFilter
from iris.controller.ordering import in_order, is_same_order, require_one_order
from iris.controller.parts import Parts
from iris.controller.transitions import submitting
from iris.controller.views import NEWEST
from iris.domain.access import Role
from iris.domain.jobs import Job, Owner
from iris.domain.pages import (
    Admission,
    CancelRequest,
    JobBatch,
    Page,
    SubmissionBatch,
)
from iris.domain.states import JobState, TaskState
from iris.domain.views import AttemptView, Explanation, JobView, Submission, TaskView
from iris.errors import JobRefused, NotAllowed, NotThere

MOST_IN_A_BATCH = 10_000
HIDDEN = "(hidden)"  # what others see of the values of a job's variables
routes = Routes()


class JobsQuery(msgspec.Struct, frozen=True):
    """Which jobs; empty parameters allow all."""

    state: JobState | None = None
    user: str = ""
    name: str = ""
    limit: int = 100
    page: str = ""


class TasksQuery(msgspec.Struct, frozen=True):
    """Which tasks."""

    state: TaskState | None = None
    limit: int = 100
    page: str = ""


@routes.add(
    *("POST", "/v1/jobs"),
    roles=USERS,
    for_jobs=True,
    body=Submission,
    most_bytes=64 * MIB,
    answer=JobView,
    status=201,
)
def submit(call: Call[Submission, NoQuery]) -> JobView:
    """Accept a job; the same client id again gives the same job."""
    return _accept(call, (call.body,))[0]


@routes.add(
    *("POST", "/v1/jobs:batch"),
    roles=USERS,
    for_jobs=True,
    body=SubmissionBatch,
    most_bytes=64 * MIB,
    answer=JobBatch,
    status=201,
)
def submit_batch(call: Call[SubmissionBatch, NoQuery]) -> JobBatch:
    """Accept many jobs in one transition: all of them or none."""
    if len(call.body.submissions) > MOST_IN_A_BATCH:
        raise JobRefused(f"submissions: expected at most {MOST_IN_A_BATCH}")
    return JobBatch(_accept(call, call.body.submissions))


@routes.add(
    *("POST", "/v1/jobs:check"),
    roles=USERS,
    for_jobs=True,
    body=Submission,
    most_bytes=64 * MIB,
    answer=Admission,
)
def check(call: Call[Submission, NoQuery]) -> Admission:
    """What a submission would be answered with: it is refused alike, nothing changes.

    Its bundle is not looked at, and of secrets the names alone: they may come later.
    """
    parts, caller = call.parts, call.caller
    (submission,) = _admitted(call, (_without_bundle(call),), lambda _: True)
    parts.secrets.require(submission, caller.job_uid)
    owner, limits = Owner(caller.user, caller.job_uid), parts.state.tuning.user_limits
    with parts.state.trying() as change:
        (uid,) = submitting.submit(change, (submission,), owner, limits)
        new = [job for job in change.jobs_accepted() if job.uid == uid]
    job = new[0] if new else own_job(parts, caller, uid)
    return Admission(job.name, was_there=not new)


@routes.add(
    *("GET", "/v1/jobs"),
    roles=READERS,
    for_jobs=True,
    query=JobsQuery,
    answer=Page[JobView],
)
def list_jobs(call: Call[None, JobsQuery]) -> Page[JobView]:
    """Jobs, the newest first; for a job's token itself and its children."""
    query, family = call.query, call.caller.job_uid
    wanted = JobFilter(query.state, query.user, query.name, family)
    before = page_number(query.page, NEWEST)
    page = call.parts.jobs.page(wanted, before, limited(query.limit))
    return Page(tuple(_shown(v, call.caller) for v in page.items), page.next_page)


@routes.add("GET", "/v1/jobs/{job}", roles=READERS, for_jobs=True, answer=JobView)
def get_job(call: Call[None, NoQuery]) -> JobView:
    """One job, by name or uid."""
    job = known_job(call.parts, call.caller, call.params["job"])
    view = _shown(call.parts.jobs.view(job), call.caller)
    return replace(view, gone=_gone(call.parts, job)) if view.ended_at else view


@routes.add(
    *("POST", "/v1/jobs/{job}:cancel"),
    roles=USERS,
    for_jobs=True,
    body=CancelRequest,
    body_optional=True,
    answer=JobView,
)
def cancel(call: Call[CancelRequest, NoQuery]) -> JobView:
    """Ask for a job's end; one that has ended stays as it is."""
    jobs = call.parts.jobs
    job = own_job(call.parts, call.caller, call.params["job"])
    because = call.body.because[:1000]
    try:
        call.parts.state.cancel_job(job.uid, call.caller.user, because)
    except NotThere:
        call.parts.state.wait_durable()  # it ended meanwhile
    return jobs.view(job)


@routes.add(
    *("GET", "/v1/jobs/{job}/tasks"),
    roles=READERS,
    for_jobs=True,
    query=TasksQuery,
    answer=Page[TaskView],
)
def list_tasks(call: Call[None, TasksQuery]) -> Page[TaskView]:
    """A job's tasks, in order of index."""
    job = known_job(call.parts, call.caller, call.params["job"])
    first = page_number(call.query.page, 0)
    limit = limited(call.query.limit)
    page = call.parts.jobs.tasks(job, call.query.state, first, limit)
    if not job.spec.each or _may_see_values(call.caller, job.user):
        return page
    hidden = dict.fromkeys(job.spec.each, HIDDEN)
    return replace(page, items=tuple(replace(t, variables=hidden) for t in page.items))


@routes.add(
    *("GET", "/v1/jobs/{job}/tasks/{index}/attempts"),
    roles=READERS,
    for_jobs=True,
    answer=Page[AttemptView],
)
def list_attempts(call: Call[None, NoQuery]) -> Page[AttemptView]:
    """Every attempt at a task, the first one first."""
    job = known_job(call.parts, call.caller, call.params["job"])
    return call.parts.jobs.attempts(job, page_number(call.params["index"], 0))


@routes.add(
    *("GET", "/v1/jobs/{job}/why"), roles=READERS, for_jobs=True, answer=Explanation
)
def why(call: Call[None, NoQuery]) -> Explanation:
    """Why a job stands where it stands, what happens next, what would unblock it."""
    job = known_job(call.parts, call.caller, call.params["job"])
    return call.parts.jobs.explain(job)


def known_job(parts: Parts, caller: Caller, name: str) -> Job:
    """A job that the caller may know of. Raises NotThere and NotAllowed."""
    job = parts.jobs.find(name)
    if caller.job_uid not in ("", job.uid, job.parent):
        raise NotAllowed(f"job {job.name} is no child of the job that asks")
    return job


def _gone(parts: Parts, job: Job) -> tuple[str, ...]:
    """What retention took of a job that has ended."""
    words = {"log": parts.logs.gone(job.uid), "outputs": parts.outputs.gone(job.uid)}
    return tuple(f"{kind}: {because}" for kind, because in words.items() if because)


def own_job(parts: Parts, caller: Caller, name: str) -> Job:
    """A job that the caller may act on. Raises NotThere and NotAllowed."""
    job = known_job(parts, caller, name)
    if caller.role is Role.USER and job.user != caller.user:
        raise NotAllowed(f"job {job.name} belongs to {job.user}, not to {caller.user}")
    return job


def _accept(
    call: Call[Any, Any], submissions: tuple[Submission, ...]
) -> tuple[JobView, ...]:
    """New jobs, or those that were there: all of them or none."""
    parts, caller = call.parts, call.caller
    require_one_order(submissions)
    admitted = _admitted(call, submissions, parts.bundles.has)
    before = parts.state.seq
    with parts.secrets.keeping(admitted, caller.job_uid) as kept:
        uids = parts.state.submit(kept, caller.user, caller.job_uid)
    jobs = [own_job(parts, caller, uid) for uid in uids]
    return tuple(
        replace(parts.jobs.view(job), was_there=job.order <= before) for job in jobs
    )


def _admitted(
    call: Call[Any, Any],
    submissions: tuple[Submission, ...],
    has_bundle: Callable[[str], bool],
) -> list[Submission]:
    """As State takes them, which may still refuse them."""
    parts = call.parts
    with parts.state.reading() as tables:
        groups = tuple(tables.groups.values())
        known = tables.client_ids
        is_new = any(each.client_id not in known for each in submissions)
    if is_new:
        parts.disk.require_room()
    return [
        _in_order(call, admit(each, groups, has_bundle, parts.runtime))
        for each in submissions
    ]


def _without_bundle(call: Call[Submission, NoQuery]) -> Submission:
    """With the bundle of the job that was accepted under its client id, if one was."""
    parts, submission = call.parts, call.body
    with parts.state.reading() as tables:
        known = tables.client_ids.get(submission.client_id)
    bundle = own_job(parts, call.caller, known).spec.bundle if known else ""
    return replace(submission, spec=replace(submission.spec, bundle=bundle))


def _in_order(call: Call[Any, Any], submission: Submission) -> Submission:
    """As it is if its client id is known, else with what it runs after looked up."""
    parts, caller = call.parts, call.caller
    find = partial(known_job, parts, caller)
    with parts.state.reading() as tables:
        known = tables.client_ids.get(submission.client_id)
        answered = tables.answer_to(submission.client_id)
    if known is not None:
        job = own_job(parts, caller, known)
        is_same = is_same_order(answered or job, submission.spec.after, find)
        submitting.require_same(job, answered, submission, is_same)
        return submission
    spec = in_order(submission.spec, find)
    return replace(submission, spec=spec)


def _shown(view: JobView, caller: Caller) -> JobView:
    """The values of a job's environment are for its user and for operators."""
    if not view.spec.env or _may_see_values(caller, view.user):
        return view
    hidden = dict.fromkeys(view.spec.env, HIDDEN)
    return replace(view, spec=replace(view.spec, env=hidden))


def _may_see_values(caller: Caller, user: str) -> bool:
    return caller.role is Role.OPERATOR or caller.user == user
