"""Ordinary nouns for tests, which state only what matters to them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

from iris.domain.fleet import Backoff, ScaleGroup, Slice, Worker
from iris.domain.jobs import (
    Attempt,
    Band,
    Capacity,
    Constraints,
    EndCause,
    Job,
    JobSpec,
    Task,
)
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, SliceState, WorkerState
from iris.planning.snapshot import Gang, PendingJob, Snapshot, WorkerLoad

NOW = 1_800_000_000.0
GIB = 2**30

_numbers = count(1)


def resources(cpus: float = 1.0, gib: int = 1, chips: int = 0) -> Resources:
    """CPUs, memory in GiB, chips."""
    return Resources(cpus=cpus, memory_bytes=gib * GIB, chips=chips)


def a_group(name: str = "cpu", **changes: Any) -> ScaleGroup:
    """A group of plain VMs with 8 CPUs and 32 GiB."""
    ordinary: dict[str, Any] = {
        "accelerator": "",
        "vms": 1,
        "resources": resources(8, 32),
        "zones": ("europe-west4-a",),
        "capacity": Capacity.SPOT,
        "min_slices": 0,
        "max_slices": 4,
        "priority": 100,
        "labels": {},
        "scale_down_delay": 300.0,
        "create_timeout": 600.0,
        "boot_timeout": 900.0,
        "delete_timeout": 600.0,
    }
    return ScaleGroup(name=name, **(ordinary | changes))


def a_tpu_group(vms: int = 4, **changes: Any) -> ScaleGroup:
    """A group of v5e slices with 4 chips on each of `vms` VMs."""
    size = vms * 4
    ordinary: dict[str, Any] = {
        "name": f"tpu_v5e_{size}",
        "accelerator": f"v5litepod-{size}",
        "vms": vms,
        "resources": resources(112, 192, chips=4),
    }
    return a_group(**(ordinary | changes))


def a_job(name: str = "", **changes: Any) -> Job:
    """A job of one task that needs one CPU and one GiB; spec fields by keyword."""
    number = next(_numbers)
    outer = {
        key: changes.pop(key)
        for key in ("uid", "user", "order", "submitted_at", "cancelled_by")
        if key in changes
    }
    spec: dict[str, Any] = {
        "command": ("true",),
        "name": name or f"job-{number}",
        "resources": resources(),
    }
    if "accelerator" in changes:
        changes["constraints"] = Constraints(accelerator=changes.pop("accelerator"))
    ordinary: dict[str, Any] = {
        "uid": f"j-{number:06d}",
        "user": "ann",
        "client_id": f"c-{number}",
        "submitted_at": NOW,
        "order": number,
    }
    return Job(spec=JobSpec(**(spec | changes)), **(ordinary | outer))


def a_gang_job(vms: int = 4, name: str = "", **changes: Any) -> Job:
    """A job that takes whole v5e slices of `vms` VMs."""
    ordinary: dict[str, Any] = {
        "accelerator": f"v5litepod-{vms * 4}",
        "resources": resources(100, 100, chips=4),
        "tasks": vms,
        "gang": True,
    }
    return a_job(name, **(ordinary | changes))


def a_task(job: Job, index: int = 0, **changes: Any) -> Task:
    """A pending task of the job."""
    return Task(job.uid, index, **({"pending_since": NOW} | changes))


def a_pending(job: Job, **changes: Any) -> PendingJob:
    """All of the job's tasks, ready to start since `pending_since`."""
    tasks = job.spec.tasks
    ordinary: dict[str, Any] = {
        "order": job.order,
        "ready": tuple(range(min(tasks, 1024))),
        "ready_count": tasks,
        "later_count": 0,
        "next_ready_at": 0.0,
        "pending_since": job.submitted_at,
    }
    return PendingJob(job=job, **(ordinary | changes))


def a_slice(group: ScaleGroup, name: str = "", **changes: Any) -> Slice:
    """A ready slice of the group, in its first zone."""
    name = name or f"iris-{group.name}-{next(_numbers):06d}"
    ordinary: dict[str, Any] = {
        "uid": f"s-{name}",
        "group": group.name,
        "zone": group.zones[0],
        "capacity": group.capacity,
        "vms": group.vms,
        "state": SliceState.READY,
        "requested_at": NOW - 100,
        "created_at": NOW - 90,
        "booting_at": NOW - 80,
        "ready_at": NOW - 50,
    }
    return Slice(name=name, **(ordinary | changes))


def a_worker(
    home: Slice, group: ScaleGroup, index: int = 0, **changes: Any
) -> WorkerLoad:
    """A healthy, empty worker of the slice, heard just now."""
    load = {
        key: changes.pop(key)
        for key in ("free", "live", "heard_at", "interval")
        if key in changes
    }
    ordinary: dict[str, Any] = {
        "uid": f"w-{home.name}-{index}",
        "boot_id": "boot-1",
        "address": "127.0.0.1",
        "nudge_port": 0,
        "resources": group.resources,
        "token_hash": "",
        "registered_at": NOW - 50,
        "state": WorkerState.HEALTHY,
    }
    worker = Worker(slice_name=home.name, index=index, **(ordinary | changes))
    rest: dict[str, Any] = {
        "free": group.resources,
        "live": 0,
        "heard_at": NOW,
        "interval": 1.0,
    }
    return WorkerLoad(worker=worker, **(rest | load))


def workers_of(
    home: Slice, group: ScaleGroup, **changes: Any
) -> tuple[WorkerLoad, ...]:
    """All the workers of a slice."""
    return tuple(a_worker(home, group, index, **changes) for index in range(home.vms))


def a_snapshot(
    *groups: ScaleGroup,
    slices: Iterable[Slice] = (),
    workers: Iterable[WorkerLoad] | None = None,
    pending: Iterable[PendingJob | Job] = (),
    **changes: Any,
) -> Snapshot:
    """A cluster; ready slices have all their workers, empty, unless some are given."""
    slices = tuple(slices)
    by_name = {group.name: group for group in groups}
    if workers is None:
        ready = [each for each in slices if each.state is SliceState.READY]
        homes = [each for each in ready if each.group in by_name]
        workers = [w for home in homes for w in workers_of(home, by_name[home.group])]
    waiting = [a_pending(each) if isinstance(each, Job) else each for each in pending]
    return Snapshot(
        groups=groups,
        slices=slices,
        workers=tuple(workers),
        pending=tuple(sorted(waiting, key=lambda each: each.order)),
        **changes,
    )


def an_attempt(job: Job, home: Slice, index: int = 0, **changes: Any) -> Attempt:
    """A running attempt at task `index`, on the worker of the same index."""
    ordinary: dict[str, Any] = {
        "uid": f"a-{job.uid}-{index}",
        "number": 0,
        "worker_uid": f"w-{home.name}-{index}",
        "slice_name": home.name,
        "worker_index": index,
        "resources": job.spec.resources,
        "state": AttemptState.RUNNING,
        "gang_uid": f"g-{job.uid}" if job.spec.gang else "",
        "assigned_at": NOW - 60,
        "running_at": NOW - 30,
    }
    return Attempt(job_uid=job.uid, task_index=index, **(ordinary | changes))


def a_gang(job: Job, home: Slice, **changes_by_task: dict[str, Any]) -> Gang:
    """A running gang; `task_2={...}` changes the attempt at task 2."""
    attempts = tuple(
        an_attempt(job, home, index, **changes_by_task.get(f"task_{index}", {}))
        for index in range(job.spec.tasks)
    )
    return Gang(f"g-{job.uid}", job.uid, home.name, attempts)


def failed(at: float = NOW, **changes: Any) -> dict[str, Any]:
    """The changes that make an attempt one that exited with status 1."""
    ordinary: dict[str, Any] = {
        "state": AttemptState.FAILED,
        "cause": EndCause.EXITED,
        "exit_code": 1,
        "ended_at": at,
    }
    return ordinary | changes


def a_backoff(group: ScaleGroup, **changes: Any) -> Backoff:
    """A stockout that holds the group back in its first zone for a minute."""
    ordinary: dict[str, Any] = {
        "zone": group.zones[0],
        "failures": 1,
        "until": NOW + 60,
        "kind": "out-of-capacity",
        "words": "no more capacity in the zone",
    }
    return Backoff(group=group.name, **(ordinary | changes))


PRODUCTION, INTERACTIVE, BATCH = Band.PRODUCTION, Band.INTERACTIVE, Band.BATCH
