"""Submission: limits, names that are taken, and the job that comes of it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from iris.controller.change import Change
from iris.controller.ordering import require_no_cycle
from iris.controller.transitions.jobs import cancel
from iris.controller.transitions.naming import free_name
from iris.domain.jobs import After, Answered, Job, JobSpec, Owner, SameName
from iris.domain.resources import UserLimits
from iris.domain.states import TaskState
from iris.domain.views import Submission
from iris.errors import Conflict, JobRefused, NotThere
from iris.planning.limits import never_allowed
from iris.planning.repeats import asked, difference, difference_of_keeping

MOST_ANSWERED = 1000  # client ids that a job which is kept by its name remembers


def submit(
    change: Change,
    submissions: Sequence[Submission],
    owner: Owner,
    limits: UserLimits = UserLimits(),
) -> tuple[str, ...]:
    """Accept jobs and return their uids; a known client id gives the same job."""
    known: dict[str, str] = {}
    taken: set[str] = set()
    uids = []
    for submission in submissions:
        client_id = submission.client_id
        uid = known.get(client_id) or change.tables.client_ids.get(client_id)
        if uid is None:
            uid = _take(change, submission, owner, taken)
            known[client_id] = uid
        else:
            _require_same(change, uid, submission)
        uids.append(uid)
    if limits != UserLimits():
        _require_within(change, owner.user, limits)
    return tuple(uids)


def require_same(
    job: Job,
    answered: Answered | None,
    submission: Submission,
    in_order: bool = True,
) -> None:
    """Refuse another job under the client id of one that was accepted, or kept."""
    spec, client_id = submission.spec, submission.client_id
    if job.client_id == client_id:
        said = difference(job, spec)
    else:
        said = difference_of_keeping(job, answered, spec)
    differs = ", ".join(filter(None, (said, "" if in_order else "after")))
    if differs:
        raise Conflict(
            f"client id {client_id} is that of job {job.name}, and this one "
            f"differs in {differs}",
            hint="Another job wants another client id.",
        )


def _require_same(change: Change, uid: str, submission: Submission) -> None:
    answered = change.answer_to(submission.client_id)
    try:
        require_same(change.job(uid), answered, submission)
    except NotThere:
        return  # it has ended: who submits has seen to it


def _require_within(change: Change, user: str, limits: UserLimits) -> None:
    """Refuse new jobs that could never start, or are more than a user may have."""
    new = change.jobs_accepted()
    for job in new:
        together = job.spec.tasks if job.spec.gang else 1
        never = never_allowed(job.spec.resources, together, limits)
        if never:
            raise JobRefused(
                f"job {job.name}: {never}",
                hint="Ask for less at once, or have user_limits raised in the cluster "
                "file.",
            )
    waiting = sum(job.spec.tasks for job in new)
    if not limits.pending_tasks or not waiting:
        return
    waiting += sum(
        change.tables.tasks[job.uid].counts().get(TaskState.PENDING, 0)
        for job in change.tables.jobs.values()
        if job.user == user
    )
    if waiting > limits.pending_tasks:
        raise Conflict(
            f"{user} would have {waiting} waiting tasks, of {limits.pending_tasks} "
            "that one user may have (user_limits/pending_tasks)",
            hint="Submit again once some have started, or fewer at a time.",
        )


def _take(change: Change, submission: Submission, owner: Owner, taken: set[str]) -> str:
    """By the policy for names that are taken: a new job, or the one that is live."""
    policy, name = submission.spec.same_name, submission.spec.name
    live = None if policy is SameName.NUMBER else _live_namesake(change, name)
    if live is None:
        return _accept(change, submission, owner, taken).uid
    # a job that submits others speaks for its children alone
    is_own = live.user == owner.user and owner.parent in ("", live.parent)
    if policy is SameName.REFUSE or not is_own:
        raise Conflict(
            f"job {live.name} of {live.user} is live, and a second one of its name "
            f"is refused (--same-name {policy})",
            hint="Give another --name or --same-name, or wait until it has ended.",
        )
    if policy is SameName.KEEP:
        _remember_answer(change, submission, live.uid)
        return live.uid
    job = _accept(change, submission, owner, taken)
    cancel(change, live.uid, owner.user, f"replaced by job {job.name}")
    return job.uid


def _remember_answer(change: Change, submission: Submission, uid: str) -> None:
    """The same call once more has this answer, even when the job has ended."""
    former = list(change.tables.answered.get(uid, ()))
    for oldest in former[: max(len(former) + 1 - MOST_ANSWERED, 0)]:
        change.drop("answered", oldest)
    spec = submission.spec
    change.put_answered(
        Answered(submission.client_id, uid, asked(spec), spec.after, change.now)
    )


def _live_namesake(change: Change, name: str) -> Job | None:
    """The newest live job that was asked for by the name and is not on its way out."""
    jobs = [j for j in change.tables.jobs.values() if j.asked_name == name]
    live = [each for each in jobs if not each.cancelled_by]
    return max(live, key=lambda each: each.order, default=None)


def _accept(
    change: Change, submission: Submission, owner: Owner, taken: set[str]
) -> Job:
    if owner.parent:
        _require_going_on(change, owner.parent)
        require_no_cycle(submission.spec, owner.parent, change.tables.jobs)
    names = change.tables.names
    name = free_name(submission.spec.name, lambda n: n in names or n in taken)
    taken.add(name)
    job = Job(
        uid=change.new_id("j"),
        spec=replace(submission.spec, name=name),
        user=owner.user,
        parent=owner.parent,
        client_id=submission.client_id,
        submitted_at=change.now,
        order=change.next_seq,
        asked_name=submission.spec.name,
        waits_for=_still_live(change, submission.spec),
    )
    change.put_job(job)
    change.event("job submitted", job=job, count=job.spec.tasks, task=0)
    return job


def _require_going_on(change: Change, parent_uid: str) -> None:
    """What ends cannot take a child along that comes after the others were ended."""
    parent = change.tables.jobs.get(parent_uid)
    if parent is None or parent.cancelled_by:
        end = "is being cancelled" if parent else "has ended"
        raise Conflict(f"job {parent_uid}, which submits it, {end}")


def _still_live(change: Change, spec: JobSpec) -> tuple[After, ...]:
    for first in spec.after:
        if first.uid not in change.tables.jobs:
            raise Conflict(
                f"job {first.job} ended at this moment", hint="Submit once more."
            )
    return spec.after
