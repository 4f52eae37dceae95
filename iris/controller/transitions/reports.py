"""Heartbeats: what a worker observed, and what it should do."""

from __future__ import annotations

import math

from msgspec.structs import replace

from iris.controller.change import Change
from iris.controller.tables import Tables
from iris.controller.tokens import job_token
from iris.controller.transitions.jobs import describe_end, settle_single
from iris.domain.fleet import Worker
from iris.domain.jobs import Attempt, EndCause, Job
from iris.domain.protocol import AttemptReport, AttemptSpec, Desired, Heartbeat
from iris.domain.states import (
    ATTEMPT_ENDED,
    ATTEMPT_MOVES,
    AttemptState,
    SliceState,
    TaskState,
    WorkerState,
    require_move,
)

_DYING = frozenset({SliceState.FAILED, SliceState.PREEMPTED, SliceState.DELETING})
_AT_BARRIER = (AttemptState.PREPARED, AttemptState.RUNNING, AttemptState.SUCCEEDED)


def take_heartbeat(change: Change, heartbeat: Heartbeat) -> None:
    """Make true what the worker observed; no rows where nothing is new."""
    worker = change.worker(heartbeat.worker_uid)
    worker = _refresh(change, worker, heartbeat)
    live = dict(change.tables.live_of_worker(worker.uid))
    for report in heartbeat.attempts:
        attempt = live.pop(report.uid, None)
        if attempt is not None:
            _take_report(change, attempt, report, heartbeat.seq)
    for attempt in live.values():
        has_ended = change.attempt(attempt.uid).state in ATTEMPT_ENDED
        if _proves_absent(heartbeat, attempt) and not has_ended:
            because = "its worker no longer knows it"
            lose_attempt(change, attempt, EndCause.VANISHED, because)


def _proves_absent(heartbeat: Heartbeat, attempt: Attempt) -> bool:
    """Is it newer than the one that showed the attempt? It does not list it now.

    After a restart of the controller an old heartbeat may arrive late, and nobody
    remembers the numbers of those that came between.
    """
    return attempt.reported and heartbeat.seq > attempt.reported_seq


def _refresh(change: Change, worker: Worker, heartbeat: Heartbeat) -> Worker:
    """Keep what changed about the worker itself; a reboot ends its attempts."""
    fresh = replace(
        worker,
        boot_id=heartbeat.boot_id,
        nudge_port=heartbeat.nudge_port,
        draining=worker.draining or heartbeat.notice,
    )
    if worker.state is WorkerState.SUSPECT:
        fresh = replace(fresh, state=WorkerState.HEALTHY)
        change.event(
            "worker heard again", slice_name=worker.slice_name, worker_uid=worker.uid
        )
    if fresh != worker:
        change.put_worker(fresh)
    if fresh.boot_id != worker.boot_id:
        _end_former_boot(change, worker, heartbeat)
    return fresh


def _end_former_boot(change: Change, worker: Worker, heartbeat: Heartbeat) -> None:
    known = {report.uid for report in heartbeat.attempts}
    for attempt in list(change.tables.live_of_worker(worker.uid).values()):
        if attempt.uid not in known and _proves_absent(heartbeat, attempt):
            because = "its machine started anew"
            lose_attempt(change, attempt, EndCause.WORKER_LOST, because)


def _take_report(
    change: Change, attempt: Attempt, report: AttemptReport, heartbeat_seq: int
) -> None:
    attempt = change.attempt(attempt.uid)
    if attempt.state in ATTEMPT_ENDED:
        return
    if report.state in ATTEMPT_ENDED:
        end_attempt(change, attempt, report)
        return
    if _is_old_news(attempt, report):
        return
    is_further = report.state in ATTEMPT_MOVES[attempt.state]
    state = report.state if is_further else attempt.state
    seen = replace(
        attempt,
        state=state,
        reported=True,
        reported_seq=attempt.reported_seq or heartbeat_seq,
        coordinator_port=report.coordinator_port or attempt.coordinator_port,
        detail=report.detail,
        kept_until=report.kept_until,
    )
    if state is not attempt.state:
        seen = _advance(change, seen)
    if seen != attempt:
        change.put_attempt(seen)
        _wake_gang(change, seen)


def _is_old_news(attempt: Attempt, report: AttemptReport) -> bool:
    """As most reports of a heartbeat are: as it was the last time."""
    return (
        attempt.reported
        and report.state is attempt.state
        and report.detail == attempt.detail
        and report.coordinator_port in (0, attempt.coordinator_port)
    )


def _advance(change: Change, attempt: Attempt) -> Attempt:
    if attempt.state is AttemptState.PREPARED:
        return replace(attempt, prepared_at=change.now)
    if attempt.state is not AttemptState.RUNNING:
        return attempt
    task = change.task(attempt.job_uid, attempt.task_index)
    if task.state is TaskState.ASSIGNED:
        change.put_task(replace(task, state=TaskState.RUNNING))
    job = change.job(attempt.job_uid)
    if job.spec.hold and not job.held_until:
        job = replace(job, held_until=change.now + job.spec.hold)
    if job.start_by:
        job = replace(job, has_started=True)
    if job != change.job(job.uid):
        change.put_job(job)
    _tell(change, attempt, "attempt running", "")
    return replace(attempt, running_at=change.now)


def _wake_gang(change: Change, attempt: Attempt) -> None:
    """A member that comes to the barrier, or ends, may move all the others."""
    for sibling in change.tables.gangs.get(attempt.gang_uid, {}).values():
        change.workers.add(sibling.worker_uid)


def end_attempt(change: Change, attempt: Attempt, end: AttemptReport) -> None:
    """An attempt's last state, known for certain; settles its task if single."""
    require_move(ATTEMPT_MOVES, f"attempt {attempt.uid}", attempt.state, end.state)
    ended = replace(
        attempt,
        state=end.state,
        exit_code=end.exit_code,
        cause=end.cause,
        detail=end.detail,
        ended_at=change.now,
        reported=True,
    )
    change.put_attempt(ended)
    _tell(change, ended, f"attempt {ended.state}", describe_end(ended))
    if ended.gang_uid:
        _wake_gang(change, ended)
    else:
        settle_single(change, ended)


def lose_attempt(
    change: Change, attempt: Attempt, cause: EndCause, because: str
) -> None:
    """An attempt that is known to have ended, though nobody saw how."""
    lost = AttemptReport(attempt.uid, AttemptState.LOST, cause=cause, detail=because)
    end_attempt(change, attempt, lost)


def _tell(change: Change, attempt: Attempt, kind: str, because: str) -> None:
    change.event(
        kind,
        because="" if kind == "attempt succeeded" else because,
        job=change.job(attempt.job_uid),
        task=attempt.task_index,
        attempt_uid=attempt.uid,
        slice_name=attempt.slice_name,
        worker_uid=attempt.worker_uid,
    )


def desired_attempts(
    tables: Tables, heartbeat: Heartbeat, output_bytes: int, now: float
) -> tuple[Desired, ...]:
    """All that the worker should run or stop, with specs for what it lacks."""
    worker = tables.workers[heartbeat.worker_uid]
    known = {report.uid for report in heartbeat.attempts}
    slice_state = tables.slices[worker.slice_name].state
    desired = []
    for attempt in tables.live_of_worker(worker.uid).values():
        because = attempt.stop_because
        if not because and slice_state in _DYING:
            because = f"its slice is {slice_state}"
        if not because and attempt.kept_until and slice_state is SliceState.DRAINING:
            because = "its slice drains"  # which is no reason to stop what works
        if because:
            desired.append(_stop(attempt, because, now))
            continue
        spec = None
        if attempt.uid not in known:
            spec = _spec(tables, worker, attempt, output_bytes)
        coordinator = _coordinator(tables, attempt)
        want = "run" if attempt.gang_uid and not coordinator else "go"
        if not attempt.gang_uid:
            want = "run"
        desired.append(Desired(attempt.uid, want, spec, coordinator))  # type: ignore[arg-type]  # "run" or "go"
    return tuple(desired)


def _stop(attempt: Attempt, because: str, now: float) -> Desired:
    stop = Desired(attempt.uid, "stop", because=because)
    if attempt.stop_cause is None:
        return stop
    # so many seconds from here on: the clocks of VMs may differ
    left = max(attempt.stop_by - now, 0.0)
    return replace(stop, cause=attempt.stop_cause, grace=left)


def _coordinator(tables: Tables, attempt: Attempt) -> str:
    """Where the gang meets, once all of it is prepared; empty before."""
    gang = tables.gangs.get(attempt.gang_uid, {}).values()
    if not gang or any(member.state not in _AT_BARRIER for member in gang):
        return ""
    first = min(gang, key=lambda member: member.worker_index)
    return f"{tables.workers[first.worker_uid].address}:{first.coordinator_port}"


def _env_of_job(tables: Tables, job: Job) -> dict[str, str]:
    env = {"IRIS_JOB_TOKEN": job_token(tables, job.uid)}
    if job.held_until:
        env["IRIS_HELD_UNTIL"] = str(math.ceil(job.held_until))
    return env


def _spec(
    tables: Tables, worker: Worker, attempt: Attempt, output_bytes: int
) -> AttemptSpec:
    job = tables.jobs[attempt.job_uid]
    spec = job.spec
    siblings = tables.slice_workers[worker.slice_name]
    group = tables.groups.get(tables.slices[worker.slice_name].group)
    return AttemptSpec(
        uid=attempt.uid,
        job=job.name,
        job_uid=job.uid,
        task_index=attempt.task_index,
        num_tasks=spec.tasks,
        number=attempt.number,
        command=spec.command,
        resources=spec.resources,
        slice_name=worker.slice_name,
        worker_index=worker.index,
        hostnames=tuple(siblings[i].address for i in sorted(siblings)),
        accelerator=group.accelerator if group else "",
        env=spec.env_of(attempt.task_index) | _env_of_job(tables, job),
        bundle=spec.bundle,
        run_timeout=spec.run_timeout,
        stop_grace=spec.stop_grace,
        gang=bool(attempt.gang_uid),
        image=spec.image,
        signal=spec.signal,
        checkpoint_dir=spec.checkpoint_dir,
        resumes=attempt.resumes,
        disk_bytes=spec.disk_bytes,
        setup=spec.setup,
        setup_timeout=spec.setup_timeout,
        secrets=spec.secrets,
        keep_on_failure=spec.keep_on_failure,
        output_bytes=output_bytes,
    )
