"""Answers as a person reads them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import singledispatch
from typing import Any

import msgspec

from iris.commands._costs import cost_tables
from iris.commands._fleet import machine_table, slice_table, worker_table
from iris.commands._tables import ago, assigned, table, what_it_runs
from iris.domain.costs import CostView
from iris.domain.events import Event
from iris.domain.views import (
    AutoscalerView,
    Explanation,
    Health,
    JobView,
    SliceBoot,
    SliceView,
    WorkerView,
)
from iris.operations.cluster import ClusterPlan, Status
from iris.operations.jobs import JobReport
from iris.probes.bootstrap_logs import BootLogs
from iris.probes.discover import Discovery
from iris.probes.ssh_status import SshStatus
from iris.probes.tunnel import Tunnelled
from iris.providers.contract import ControllerMachine


@singledispatch
def describe(answer: Any) -> str:
    """Any answer; what has no words of its own is shown as JSON."""
    return msgspec.json.format(msgspec.json.encode(answer), indent=2).decode()


@describe.register
def _(answer: str) -> str:
    return answer


@describe.register
def _(answer: tuple) -> str:  # type: ignore[type-arg]  # of whatever the probe gives
    if not answer:
        return "none"
    tabled = _TABLES.get(type(answer[0]))
    return tabled(answer) if tabled else "\n".join(map(describe, answer))


def job_table(jobs: Sequence[JobView]) -> str:
    """Jobs, one line each."""
    now = time.time()
    rows = [
        (
            job.name,
            job.state,
            _counts(job.counts),
            job.user,
            ago(job.submitted_at, now),
            job.because,
        )
        for job in jobs
    ]
    return table(("JOB", "STATE", "TASKS", "USER", "AGE", "BECAUSE"), rows)


def job_report(report: JobReport) -> str:
    """A job, its tasks and the attempts of one of them."""
    job, now = report.job, time.time()
    head = f"job {job.name} ({job.uid}) of {job.user}: {job.state}"
    lines = [f"{head}; {job.because}" if job.because else head]
    lines += job.gone
    lines.append(what_it_runs(job.spec))
    rows = [
        (
            task.index,
            task.state,
            task.attempts,
            task.slice_name,
            task.exit_code if task.exit_code is not None else "",
            "; ".join(filter(None, (assigned(task.variables), task.because))),
        )
        for task in report.tasks
    ]
    lines += ["", table(("TASK", "STATE", "TRIES", "SLICE", "EXIT", "BECAUSE"), rows)]
    if report.attempts:
        tried = [
            (
                f"{attempt.task}.{attempt.number}",
                attempt.state,
                f"{attempt.slice_name}/{attempt.worker_index}",
                ago(attempt.assigned_at, now),
                attempt.cause,
                attempt.detail,
            )
            for attempt in report.attempts
        ]
        heads = ("ATTEMPT", "STATE", "WORKER", "AGE", "CAUSE", "DETAIL")
        lines += ["", table(heads, tried)]
    return "\n".join(lines)


def cluster_status(status: Status) -> str:
    """A cluster at a glance."""
    lines = [
        f"cluster {status.cluster} ({status.uid}), version {status.version}",
        f"answers at {status.url}; token in {status.token_file}",
        f"jobs:    {_counts(status.jobs)}",
        f"tasks:   {_counts(status.tasks)}",
        f"slices:  {_counts(status.slices)}",
        f"workers: {_counts(status.workers)}",
    ]
    lines += [f"{part} image: {name}" for part, name in status.images.items()]
    if status.draining:
        lines.append(f"draining: {status.draining}")
    lines += status.notes
    return "\n".join(lines)


def cluster_plan(plan: ClusterPlan) -> str:
    """What differs, and what comes next."""
    running = "runs" if plan.is_running else "does not run"
    lines = [f"cluster {plan.cluster} {running}"]
    lines += plan.changes or (["the file says what runs"] if plan.is_running else [])
    lines += plan.steps
    if plan.autoscaler is not None:
        lines += ["", describe(plan.autoscaler)]
    return "\n".join(lines)


@describe.register
def _(view: AutoscalerView) -> str:
    rows = [
        (
            group.name,
            group.accelerator,
            f"{group.min_slices}-{group.max_slices}",
            group.wanted,
            group.ready,
            group.coming,
            group.leaving,
            "; ".join(filter(None, (group.because, group.backoff))),
        )
        for group in view.groups
    ]
    heads = ("GROUP", "ACCELERATOR", "BOUNDS", "WANTED", "READY", "COMING", "LEAVING")
    lines = [table((*heads, "BECAUSE"), rows)]
    lines += [f"job {job}: {because}" for job, because in view.waiting.items()]
    return "\n".join(lines)


@describe.register
def _(costs: CostView) -> str:
    return cost_tables(costs)


@describe.register
def _(why: Explanation) -> str:
    lines = [f"job {why.job} is {why.state}: {why.because}"]
    lines += [f"  {o.candidates} x {o.rule}: {o.example}" for o in why.obstacles]
    wait = why.next_at - time.time()
    when = f" (in {wait:.0f}s)" if why.next_at and wait > 0 else ""
    parts = {
        "autoscaler": why.autoscaler,
        "next": f"{why.next_step}{when}" if why.next_step else "",
        "unblocked by": why.unblock,
    }
    lines += [f"{name}: {text}" for name, text in parts.items() if text]
    return "\n".join(lines)


@describe.register
def _(health: Health) -> str:
    well = "well" if health.ok else "NOT well"
    lines = [f"{health.cluster} ({health.cluster_uid}) {health.version}: {well}"]
    for loop in health.loops:
        said = f"loop {loop.name}: {loop.late_seconds:.1f}s late, {loop.turns} turns"
        errors = f", {loop.errors} errors, last: {loop.last_error}"
        lines.append(said + (errors if loop.errors else ""))
    if health.disk is not None:
        lines.append(health.disk.because)
    return "\n".join(lines)


@describe.register
def _(event: Event) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(event.at))
    task = f"{event.task}" if event.task >= 0 else ""
    task += f"..{event.task + event.count - 1}" if event.count > 1 else ""
    job = f"{event.job}/{task}" if event.job and task else event.job
    where = " ".join(filter(None, (job, event.slice_name)))
    because = f": {event.because}" if event.because else ""
    return f"{event.seq:>6} {at} {event.kind} {where}{because}"


@describe.register
def _(boot: SliceBoot) -> str:
    lines = [f"slice {boot.slice_name}"]
    for phase in boot.phases:
        at = time.strftime("%H:%M:%S", time.localtime(phase.at))
        who = f"worker {phase.index}" if phase.index >= 0 else "a VM without an index"
        lines.append(f"  {at} {who}: {phase.phase} {phase.detail}".rstrip())
    return "\n".join(lines)


@describe.register
def _(logs: BootLogs) -> str:
    parts = [*logs.console, *map(describe, logs.slices)]
    return "\n".join([*parts, *filter(None, [logs.problem])]) or "none"


@describe.register
def _(found: Discovery) -> str:
    lines = [f"{found.verdict}: {found.words}"]
    if found.hint:
        lines.append(f"hint: {found.hint}")
    if found.controllers:
        lines += ["", machine_table(found.controllers)]
    return "\n".join(lines)


@describe.register
def _(found: Tunnelled) -> str:
    return found.url


@describe.register
def _(found: SshStatus) -> str:
    if not found.needs_ssh:
        return f"cluster {found.cluster} is on this machine: it needs no SSH"
    state = "well" if found.is_well else f"NOT well: {found.problem}"
    pinned = "is pinned" if found.is_pinned else "was never met"
    lines = [f"SSH to {found.machine or 'the controller'}: {state}"]
    if found.address:
        lines += [
            f"  as {found.user} at {found.address}, whose key {pinned}",
            f"  with the key {found.key}",
        ]
    if found.tunnel_pid:
        lines.append(
            f"  by the tunnel of process {found.tunnel_pid}, {found.handshakes} "
            f"handshakes so far; an answer took {found.answer_seconds:.3f}s"
        )
    return "\n".join([*lines, *filter(None, [found.hint and f"hint: {found.hint}"])])


def _counts(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "none"


_TABLES: dict[type, Callable[[Any], str]] = {
    JobView: job_table,
    SliceView: slice_table,
    WorkerView: worker_table,
    ControllerMachine: machine_table,
}
