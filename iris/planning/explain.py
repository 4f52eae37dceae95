"""Why a job waits, and what becomes of a slice.

Every answer comes out of the rules and plans that decide, never beside them.
"""

from __future__ import annotations

from collections.abc import Callable

from iris.domain.fleet import ScaleGroup, Slice
from iris.domain.states import JobState, SliceState
from iris.domain.views import Explanation
from iris.planning import rules
from iris.planning.autoscaler import plan_capacity
from iris.planning.lifecycle import deadline
from iris.planning.plans import CapacityPlan
from iris.planning.refusals import refusal
from iris.planning.room import shape_of
from iris.planning.scheduler import (
    RESERVE_AFTER,
    Promise,
    Round,
    half_ready,
    promise_room,
    ready_count_of,
    why_it_waits,
)
from iris.planning.snapshot import PendingJob, Snapshot
from iris.planning.under_way import words_of_backoff


def explain_job(
    snapshot: Snapshot,
    pending: PendingJob,
    now: float,
    *,
    moment: Callable[[float], str] = str,
) -> Explanation:
    """Why the job's tasks wait, what happens next, what would unblock them.

    `moment` says a time as people read it, of which this knows nothing.
    """
    done = promise_room(snapshot, now, ready_count_of)
    plan = plan_capacity(snapshot, now)
    promise = _promise_of(done, pending)
    if promise.held_back and not promise.left and not promise.taken:
        return _explain_limit(pending, promise)
    outlook = _outlook_of(plan, pending)
    spec = pending.job.spec
    obstacles = done.room.obstacles(spec, promise.shape) if promise.left else ()
    return Explanation(
        job=spec.name,
        state=_state_of(pending),
        because=_because(snapshot, done, promise, moment),
        obstacles=obstacles,
        autoscaler=outlook or _no_outlook(promise),
        next_step=_next_step_of(promise, outlook, now),
        next_at=_next_at(plan, promise, now),
        unblock=_unblock(snapshot, promise, plan),
    )


def _explain_limit(pending: PendingJob, promise: Promise) -> Explanation:
    return Explanation(
        job=pending.job.name,
        state=_state_of(pending),
        because=promise.limit,
        autoscaler="nothing: no slice is asked for beyond a user's limit",
        next_step=f"it goes on when other work of {pending.job.user} has ended",
        unblock="wait, or raise user_limits in the cluster file",
    )


def next_step(row: Slice, group: ScaleGroup | None, now: float) -> str:
    """What happens to a slice next, and by when."""
    at = deadline(row, group, 0.0)
    within = f"within {max(at - now, 0):.0f} s, else it is replaced" if at else ""
    words = {
        SliceState.REQUESTED: f"the cloud is asked for it {within}",
        SliceState.CREATING: f"the cloud brings its VMs up {within}",
        SliceState.BOOTING: f"its {row.vms} workers register {within}",
        SliceState.READY: "it takes work",
        SliceState.DRAINING: "it is deleted once its last attempt has ended"
        + _leave_words(row, now),
        SliceState.FAILED: "it is deleted, and replaced if work waits for it",
        SliceState.PREEMPTED: "it is deleted, and replaced if work waits for it",
        SliceState.DELETING: "it is gone once two listings no longer show it",
        SliceState.DELETED: "nothing: it is gone",
    }[row.state]
    if row.state is SliceState.READY and group is not None:
        return f"{words}; idle for {group.scale_down_delay:.0f} s it may be given back"
    if row.state is SliceState.DELETING and group is not None:
        return words + _stuck_words(row, group, now)
    return words


def _promise_of(done: Round, pending: PendingJob) -> Promise:
    for promise in done.promises:
        if promise.pending.job.uid == pending.job.uid:
            return promise
    return Promise(pending, shape_of(pending.job.spec), (), 0)


def _outlook_of(plan: CapacityPlan, pending: PendingJob) -> str:
    uid = pending.job.uid
    return next((each.because for each in plan.jobs if each.job_uid == uid), "")


def _state_of(pending: PendingJob) -> JobState:
    waiting = pending.ready_count + pending.later_count
    return JobState.PENDING if waiting == pending.job.spec.tasks else JobState.RUNNING


def _no_outlook(promise: Promise) -> str:
    backs_off = promise.pending.later_count and not promise.left
    return "" if backs_off else "nothing: there is room for it"


def _because(
    snapshot: Snapshot,
    done: Round,
    promise: Promise,
    moment: Callable[[float], str],
) -> str:
    pending = promise.pending
    if promise.left:
        words = why_it_waits(snapshot, done, promise)
        if promise.left == pending.job.spec.tasks:
            return words
        return f"{promise.left} of {pending.job.spec.tasks} tasks wait: {words}"
    for waiting in half_ready([pending]):
        return waiting.because
    starts = "it starts in the next turn of the scheduler"
    return words_of_backoff(pending, moment) or starts


def _next_step_of(promise: Promise, outlook: str, now: float) -> str:
    pending = promise.pending
    if not promise.left:
        if pending.later_count:
            seconds = max(pending.next_ready_at - now, 0)
            return f"the next attempt starts in {seconds:.0f} s where there is room"
        return "its tasks start"
    kept = _place_kept(pending, now)
    return f"{outlook}; {kept}" if outlook else kept


def _place_kept(pending: PendingJob, now: float) -> str:
    if pending.job.spec.constraints.alone:
        return "it starts on the next suitable worker that is empty"
    keep_in = pending.pending_since + RESERVE_AFTER - now
    if keep_in > 0:
        return (
            f"in {keep_in:.0f} s a place is kept for it that younger work may not take"
        )
    return "the next place that suits it is its own, ahead of younger work"


def _next_at(plan: CapacityPlan, promise: Promise, now: float) -> float:
    pending = promise.pending
    times = [plan.next_at, pending.next_ready_at]
    if promise.left:
        times.append(pending.pending_since + RESERVE_AFTER)
    return min((at for at in times if at > now), default=0.0)


def _unblock(snapshot: Snapshot, promise: Promise, plan: CapacityPlan) -> str:
    """What a person could do about it, where waiting alone may not help."""
    spec = promise.pending.job.spec
    if not promise.left:
        if not promise.pending.later_count:
            return ""
        logs = f"`inv job.logs {spec.name}` shows what it wrote"
        return f"nothing needs to be done: it is tried again by itself; {logs}"
    refused = refusal(spec, snapshot.groups)
    if refused:
        return f"change the job or the cluster file: {refused}"
    if snapshot.draining:
        return "start the cluster again"
    suited = [g for g in snapshot.groups if rules.objection_of_group(spec, g) is None]
    growing = {each.group for each in plan.groups if each.coming}
    if any(group.name in growing for group in suited):
        return "nothing needs to be done: a slice is on its way"
    full = [group for group in suited if _is_full(snapshot, group)]
    if full:
        names = ", ".join(f"{g.name} (now {g.max_slices})" for g in full)
        return f"wait until running work ends, or raise max_slices of {names}"
    return "wait for the end of the back-off, or allow another zone or capacity type"


def _is_full(snapshot: Snapshot, group: ScaleGroup) -> bool:
    is_open = [each for each in snapshot.slices if each.group == group.name]
    return len(is_open) >= group.max_slices


def _leave_words(row: Slice, now: float) -> str:
    left = row.leave_by - now
    return f", which is ended in {left:.0f} s at the latest" if left > 0 else ""


def _stuck_words(row: Slice, group: ScaleGroup, now: float) -> str:
    left = row.deleting_at + group.delete_timeout - now
    if left > 0:
        return f", which may take {left:.0f} s more"
    return (
        f"; this is stuck for {-left:.0f} s: "
        f"`inv worker.confirm-gone {row.name} --no-dry-run` releases its tasks"
    )
