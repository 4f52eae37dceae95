"""Clusters in any condition for Hypothesis, and what plans make of them."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from hypothesis import strategies as st
from msgspec.structs import replace

from iris.domain.fleet import Slice
from iris.domain.jobs import Band, Capacity, Constraints
from iris.domain.resources import Resources
from iris.domain.states import SLICE_COMING, SliceState, WorkerState
from iris.planning.plans import CapacityPlan, SchedulingPlan
from iris.planning.snapshot import PendingJob, Snapshot, WorkerLoad
from tests.support.builders import (
    NOW,
    a_backoff,
    a_gang_job,
    a_group,
    a_job,
    a_pending,
    a_slice,
    a_snapshot,
    a_tpu_group,
    a_worker,
    resources,
)

ZONES = ("europe-west4-a", "us-east1-c")
OPEN_STATES = sorted(set(SliceState) - {SliceState.DELETED})


@st.composite
def group_sets(draw: Any) -> list[Any]:
    """Up to four groups; names, zones, bounds, prices and priorities vary."""
    makers = [
        lambda **kw: a_group("cpu_a", **kw),
        lambda **kw: a_group("cpu_b", **(kw | {"resources": resources(4, 8)})),
        lambda **kw: a_tpu_group(1, **kw),
        lambda **kw: a_tpu_group(2, **kw),
    ]
    groups = []
    for make in draw(st.lists(st.sampled_from(makers), min_size=1, unique=True)):
        most = draw(st.integers(0, 4))
        groups.append(
            make(
                zones=draw(st.sampled_from([ZONES, ZONES[:1], ZONES[::-1]])),
                capacity=draw(st.sampled_from([Capacity.SPOT, Capacity.ON_DEMAND])),
                priority=draw(st.sampled_from([50, 100])),
                min_slices=draw(st.integers(0, most)),
                max_slices=most,
                scale_down_delay=draw(st.sampled_from([0.0, 60.0])),
            )
        )
    return groups


@st.composite
def jobs(draw: Any) -> PendingJob:
    """Plain, single-VM and gang jobs; some with constraints, some old."""
    common = {
        "band": draw(st.sampled_from(Band)),
        "submitted_at": NOW - draw(st.sampled_from([0, 40])),
    }
    zones = draw(st.sampled_from([(), ZONES[:1], ZONES[1:]]))
    capacity = draw(st.sampled_from([None, None, Capacity.ON_DEMAND]))
    kind = draw(st.sampled_from(["plain", "plain", "single", "gang"]))
    accelerator = {"plain": "", "single": "v5litepod-4", "gang": "v5litepod-8"}[kind]
    common["constraints"] = Constraints(accelerator, zones, capacity=capacity)
    if kind == "gang":
        return a_pending(a_gang_job(2, **common))
    tasks = draw(st.integers(1, 12))
    size = resources(draw(st.sampled_from([0.5, 1, 3, 4, 8])), draw(st.integers(0, 9)))
    if kind == "single":
        size = replace(size, chips=draw(st.integers(1, 4)))
    job = a_job(tasks=tasks, resources=size, **common)
    later = draw(st.integers(0, tasks))
    ready = tasks - later
    return a_pending(
        job,
        ready=tuple(range(ready)),
        ready_count=ready,
        later_count=later,
        next_ready_at=NOW + 9 if later else 0.0,
    )


@st.composite
def workers(draw: Any, home: Slice, group: Any) -> list[WorkerLoad]:
    """Some or all workers of a slice, some busy, silent or draining."""
    found = []
    for index in range(group.vms):
        if draw(st.integers(0, 9)) == 0 and home.state is not SliceState.READY:
            continue
        busy = draw(st.sampled_from([0.0, 0.0, 0.3, 1.0]))
        whole = group.resources
        used = Resources(
            int(whole.cpus * busy),
            int(whole.memory_bytes * busy),
            int(whole.chips * busy),
        )
        found.append(
            a_worker(
                home,
                group,
                index,
                free=whole - used,
                live=int(busy > 0),
                state=draw(st.sampled_from([*WorkerState, WorkerState.HEALTHY])),
                draining=draw(st.sampled_from(["", "", "by ann"])),
                heard_at=NOW - draw(st.sampled_from([0, 20, 90])),
            )
        )
    return found


@st.composite
def snapshots(draw: Any) -> Snapshot:
    """A cluster in any condition, within the bounds of its groups."""
    groups = draw(group_sets())
    slices, loads = [], []
    for group in groups:
        for number in range(draw(st.integers(0, group.max_slices))):
            home = a_slice(
                group,
                f"{group.name}-{number}",
                state=draw(st.sampled_from([*OPEN_STATES, *[SliceState.READY] * 4])),
                zone=draw(st.sampled_from(group.zones)),
                busy_at=NOW - draw(st.sampled_from([10, 100])),
                missed=draw(st.integers(0, 2)),
            )
            slices.append(home)
            loads += draw(workers(home, group))
    held = [a_backoff(g) for g in groups if draw(st.booleans())]
    pending = draw(st.lists(jobs(), max_size=8))
    return a_snapshot(
        *groups, slices=slices, workers=loads, pending=pending, backoffs=tuple(held)
    )


def all_ready(pending: PendingJob) -> PendingJob:
    spec = pending.job.spec
    anywhere = replace(spec.constraints, capacity=None)
    spec = replace(spec, constraints=anywhere)
    return a_pending(replace(pending.job, spec=spec))


def carried_out(snapshot: Snapshot, plan: CapacityPlan) -> Snapshot:
    """The snapshot once the plan's rows are written."""
    groups = {group.name: group for group in snapshot.groups}
    drained = {each.slice_name for each in plan.drains}
    slices = [
        replace(each, state=SliceState.DRAINING) if each.name in drained else each
        for each in snapshot.slices
    ]
    for create in plan.creates:
        # names come out of a hat, so that none sorts where the plan put it
        name = f"{crc32(str(len(slices)).encode())}-{len(slices)}"
        slices.append(
            a_slice(
                groups[create.group],
                name,
                zone=create.zone,
                state=SliceState.REQUESTED,
            )
        )
    return replace(snapshot, slices=tuple(slices))


def booted(snapshot: Snapshot) -> Snapshot:
    groups = {group.name: group for group in snapshot.groups}
    slices, loads = [], list(snapshot.workers)
    for each in snapshot.slices:
        if each.state in SLICE_COMING:
            each = replace(each, state=SliceState.READY)
            group = groups[each.group]
            loads += [a_worker(each, group, index) for index in range(each.vms)]
        slices.append(each)
    return replace(snapshot, slices=tuple(slices), workers=tuple(loads))


def started(snapshot: Snapshot, plan: SchedulingPlan) -> Snapshot:
    """The snapshot once the plan's attempts hold what they need."""
    needs = {each.job.uid: each.job.spec.resources for each in snapshot.pending}
    loads = {load.worker.uid: load for load in snapshot.workers}
    placed: dict[str, set[int]] = {}
    for placement in plan.placements:
        for index, uid in placement.tasks:
            load = loads[uid]
            free = load.free - needs[placement.job_uid]
            loads[uid] = replace(load, free=free, live=load.live + 1)
            placed.setdefault(placement.job_uid, set()).add(index)
    pending = []
    for each in snapshot.pending:
        gone = placed.get(each.job.uid, set())
        ready = tuple(index for index in each.ready if index not in gone)
        if ready or each.later_count:
            pending.append(replace(each, ready=ready, ready_count=len(ready)))
    return replace(snapshot, workers=tuple(loads.values()), pending=tuple(pending))
