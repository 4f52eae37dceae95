"""Slices, workers, scale groups and the cluster as the API shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import iris
from iris.controller.parts import Parts
from iris.controller.tables import Tables
from iris.controller.views import derive_job_state
from iris.domain.disk import words_of_disk
from iris.domain.fleet import Backoff, BootPhase, ScaleGroup, Slice, Worker
from iris.domain.states import SLICE_COMING, SliceState, TaskState
from iris.domain.views import (
    AutoscalerView,
    ClusterView,
    DiskView,
    GroupView,
    Health,
    SliceBoot,
    SliceView,
    WorkerView,
)
from iris.errors import NotThere
from iris.planning.explain import next_step
from iris.planning.plans import CapacityPlan, GroupOutlook

# A loop that is later than this cannot be called healthy.
TOO_LATE = 30.0  # seconds
_LEAVING = frozenset(
    {
        SliceState.DRAINING,
        SliceState.FAILED,
        SliceState.PREEMPTED,
        SliceState.DELETING,
    }
)


def view_health(parts: Parts) -> Health:
    """Who answers, and how late each loop is."""
    loops = parts.loops()
    tuning = parts.state.tuning
    return Health(
        cluster=tuning.cluster,
        cluster_uid=tuning.cluster_uid,
        version=iris.__version__,
        ok=all(loop.late_seconds <= TOO_LATE for loop in loops),
        loops=loops,
        disk=_disk_view(parts),
    )


def view_cluster(parts: Parts) -> ClusterView:
    """The cluster at a glance."""
    tasks: Counter[TaskState] = Counter()
    with parts.state.reading() as tables:
        counts = [job_tasks.counts() for job_tasks in tables.tasks.values()]
        slices = Counter(s.state for s in tables.slices.values())
        workers = Counter(w.state for w in tables.workers.values())
        draining = tables.meta.get("draining", "")
    for count in counts:
        tasks.update(count)
    return ClusterView(
        name=parts.state.tuning.cluster,
        uid=parts.state.tuning.cluster_uid,
        version=iris.__version__,
        started_at=parts.started_at,
        config_text=parts.config_text,
        draining=draining,
        jobs=dict(Counter(derive_job_state(count) for count in counts)),
        tasks=dict(tasks),
        slices=dict(slices),
        workers=dict(workers),
        disk=_disk_view(parts),
    )


def _disk_view(parts: Parts) -> DiskView:
    use = parts.disk.use()
    because = words_of_disk(use)
    return DiskView(use.total_bytes, use.free_bytes, use.level, because)


def view_slices(parts: Parts) -> tuple[SliceView, ...]:
    """Every slice that is not deleted, by name."""
    now = parts.clock.now()
    with parts.state.reading() as tables:
        return tuple(
            _slice_view(tables, tables.slices[name], now)
            for name in sorted(tables.slices)
        )


def view_slice(parts: Parts, name: str) -> SliceView:
    """One slice that is not deleted. Raises NotThere."""
    with parts.state.reading() as tables:
        slice_ = tables.slices.get(name)
        if slice_ is not None:
            return _slice_view(tables, slice_, parts.clock.now())
    raise NotThere(
        f"there is no slice {name[:80]!r}", hint="See `inv probe.list-slices`."
    )


def view_boot(parts: Parts, name: str) -> SliceBoot:
    """A slice's boot, of one that is gone too. Raises NotThere."""
    with parts.state.reading() as tables:
        if name in tables.slices:
            return _boot(name, tables.phases.get(name, {}).values())
    parts.state.wait_durable()
    phases = parts.history.phases(name)
    if not phases:
        raise NotThere(
            f"no boot of a slice {name[:80]!r} is kept",
            hint="See `inv probe.list-slices`.",
        )
    return _boot(name, phases)


def _boot(name: str, phases: Iterable[BootPhase]) -> SliceBoot:
    """In order of time: a VM does not wait for one report before the next."""
    return SliceBoot(name, tuple(sorted(phases, key=lambda phase: phase.at)))


def view_workers(parts: Parts) -> tuple[WorkerView, ...]:
    """Every worker, by slice and index."""
    now = parts.clock.now()
    with parts.state.reading() as tables:
        workers = sorted(tables.workers.values(), key=lambda w: (w.slice_name, w.index))
        return tuple(_worker_view(tables, worker, now) for worker in workers)


def view_worker(parts: Parts, uid: str) -> WorkerView:
    """One worker. Raises NotThere."""
    with parts.state.reading() as tables:
        worker = tables.workers.get(uid)
        if worker is not None:
            return _worker_view(tables, worker, parts.clock.now())
    raise NotThere(
        f"there is no worker {uid[:80]!r}", hint="See `inv probe.list-workers`."
    )


def view_autoscaler(parts: Parts) -> AutoscalerView:
    """Every scale group, and what is done about each job that waits."""
    plan = parts.capacity() or CapacityPlan()
    outlooks = {outlook.group: outlook for outlook in plan.groups}
    with parts.state.reading() as tables:
        groups = tuple(
            _group_view(tables, group, outlooks.get(group.name))
            for group in tables.groups.values()
        )
        waiting = {
            tables.jobs[outlook.job_uid].name: outlook.because
            for outlook in plan.jobs
            if outlook.job_uid in tables.jobs
        }
    return AutoscalerView(groups=groups, waiting=waiting, next_at=plan.next_at)


def _slice_view(tables: Tables, slice_: Slice, now: float) -> SliceView:
    group = tables.groups.get(slice_.group)
    return SliceView(
        name=slice_.name,
        uid=slice_.uid,
        group=slice_.group,
        accelerator=group.accelerator if group else "",
        zone=slice_.zone,
        capacity=slice_.capacity,
        state=slice_.state,
        because=slice_.because,
        next_step=next_step(slice_, group, now),
        vms=slice_.vms,
        registered=len(tables.slice_workers.get(slice_.name, {})),
        requested_at=slice_.requested_at,
        ready_at=slice_.ready_at,
        live_attempts=len(tables.live_of_slice(slice_.name)),
    )


def _worker_view(tables: Tables, worker: Worker, now: float) -> WorkerView:
    return WorkerView(
        uid=worker.uid,
        slice_name=worker.slice_name,
        index=worker.index,
        state=worker.state,
        draining=worker.draining,
        address=worker.address,
        resources=worker.resources,
        free=tables.free_on(worker),
        live_attempts=len(tables.live_of_worker(worker.uid)),
        heard_seconds_ago=max(now - tables.heard.get(worker.uid, now), 0.0),
        nudged=tables.nudges.get(worker.uid, 0) > 0,
        limits=worker.limits,
        version=worker.version,
    )


def _group_view(
    tables: Tables, group: ScaleGroup, outlook: GroupOutlook | None
) -> GroupView:
    states = [s.state for s in tables.slices.values() if s.group == group.name]
    return GroupView(
        name=group.name,
        accelerator=group.accelerator,
        min_slices=group.min_slices,
        max_slices=group.max_slices,
        wanted=outlook.wanted if outlook else group.min_slices,
        ready=states.count(SliceState.READY),
        coming=sum(1 for state in states if state in SLICE_COMING),
        leaving=sum(1 for state in states if state in _LEAVING),
        because=outlook.because if outlook else "the autoscaler has not looked yet",
        next_at=outlook.next_at if outlook else 0.0,
        backoff=_backoff_words(tables.backoffs, group.name),
    )


def _backoff_words(backoffs: Mapping[tuple[str, str], Backoff], group: str) -> str:
    return "; ".join(
        f"{zone}: {backoff.kind} until {backoff.until:.0f}: {backoff.words}"
        for (name, zone), backoff in sorted(backoffs.items())
        if name == group
    )
