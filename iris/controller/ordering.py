"""What a job is to run after, as it stands when the job is submitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from msgspec.structs import replace

from iris.domain.jobs import After, AfterEnd, Answered, Job, JobSpec
from iris.domain.states import JobState
from iris.domain.views import Submission
from iris.errors import Conflict, JobRefused, NotThere

MOST_STEPS = 1000  # jobs that are looked at behind one another, for a cycle


def in_order(spec: JobSpec, find: Callable[[str], Job]) -> JobSpec:
    """With the uids of the jobs that have to end first, without those that have.

    What a job runs after was accepted before it. Raises JobRefused where what it
    waits for is not there, or cannot be any more.
    """
    if not spec.after:
        return spec
    firsts = [each for asked in spec.after if (each := _first(asked, find))]
    return replace(spec, after=tuple(firsts))


def require_no_cycle(spec: JobSpec, parent: str, live: Mapping[str, Job]) -> None:
    """Refuse a child that waits for a job with which it ends. Raises JobRefused.

    What waits for such a job in turn is found by a bounded walk.
    """
    ancestors = set(_ancestors(parent, live))
    if not ancestors:
        return
    steps = [(first.uid, "") for first in spec.after]
    seen: set[str] = set()
    while steps and len(seen) < MOST_STEPS:
        uid, behind = steps.pop()
        job = live.get(uid)
        if job is None or uid in seen:
            continue
        if uid in ancestors:
            raise _never(spec, job, behind)
        seen.add(uid)
        steps += [(first.uid, behind or job.name) for first in job.waits_for]


def is_same_order(
    before: Job | Answered, asked: Iterable[After], find: Callable[[str], Job]
) -> bool:
    """Was it to run after these? Those not kept any more are not seen.

    An answer that does not remember what was asked is taken to be the same.
    """
    if isinstance(before, Answered) and not before.asked:
        return True
    if isinstance(before, Job):
        after, at = before.spec.after, before.submitted_at
    else:
        after, at = before.after, before.at
    kept = (After(first.uid, first.on) for first in after)
    return _counted(at, asked, find) == _counted(at, kept, find)


def require_one_order(submissions: Iterable[Submission]) -> None:
    """Refuse a batch that says two orders under one client id. Raises Conflict."""
    first_by_id: dict[str, Submission] = {}
    for each in submissions:
        first = first_by_id.setdefault(each.client_id, each)
        if set(first.spec.after) != set(each.spec.after):
            raise Conflict(
                f"client id {each.client_id} is there twice in one batch, and the "
                "second differs in after",
                hint="Another job wants another client id.",
            )


def _ancestors(parent: str, live: Mapping[str, Job]) -> Iterator[str]:
    while (job := live.get(parent)) is not None:
        yield job.uid
        parent = job.parent


def _never(spec: JobSpec, ancestor: Job, behind: str) -> JobRefused:
    through = f" through job {behind}" if behind else ""
    return JobRefused(
        f"job {spec.name} is to run after job {ancestor.name}{through}, and would end "
        "together with that one: it could never run",
        hint="Leave that `after` out, or submit it from outside of "
        f"job {ancestor.name}.",
    )


def _counted(
    at: float, firsts: Iterable[After], find: Callable[[str], Job]
) -> set[tuple[str, AfterEnd]]:
    """Without what had ended by then, when the job was accepted."""
    counted = set()
    for each in firsts:
        with suppress(NotThere):
            first = find(each.job)
            if not 0 < first.ended_at <= at:
                counted.add((first.uid, each.on))
    return counted


def _first(asked: After, find: Callable[[str], Job]) -> After | None:
    try:
        job = find(asked.job)
    except NotThere as error:
        words = f"there is no job {asked.job[:80]!r} to run after"
        hint = "It has to be submitted first: `inv job.list` shows those that are."
        raise JobRefused(words, hint) from error
    if not job.ended_at:
        return After(job.name, asked.on, job.uid)
    if asked.on is AfterEnd.SUCCESS and job.final_state is not JobState.SUCCEEDED:
        raise JobRefused(
            f"it is to run after job {job.name}, which has ended: {job.final_state}",
            hint="--after-any (`after_any:`) runs it however that one ended.",
        )
    return None
