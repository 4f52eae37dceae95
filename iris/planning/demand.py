"""What waiting tasks need beyond what is there and what is on its way.

Computed afresh from each snapshot, by the scheduler's own round: a task counts
as demand exactly when the scheduler has no place for it, and no whole empty
slice that comes has one either. Demand is packed: many small tasks share a VM.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from iris.domain.fleet import ScaleGroup
from iris.domain.states import SLICE_COMING
from iris.planning import rules
from iris.planning.room import Room, Shape
from iris.planning.rules import Candidate
from iris.planning.scheduler import Promise, Round, promise_room, promise_to
from iris.planning.snapshot import PendingJob, Snapshot


class Coming(msgspec.Struct, frozen=True):
    """A slice on its way, or one that this plan asks for."""

    name: str
    group: ScaleGroup
    zone: str
    is_new: bool = False  # this plan asks for it


class Need(msgspec.Struct, frozen=True, gc=False):
    """Tasks of one job that no slice has room for, there or on its way."""

    pending: PendingJob
    shape: Shape
    count: int


class Demand(msgspec.Struct, frozen=True):
    """All that waits, by what will take it."""

    arriving: Room  # the slices on their way, with what is promised of them
    promised: dict[str, str]  # job uid -> a slice on its way that takes some of it
    needs: tuple[Need, ...]


def present_round(snapshot: Snapshot, now: float) -> Round:
    """The scheduler's round, with the tasks that wait for their back-off too."""
    return promise_room(snapshot, now, waiting_count)


def compute_demand(done: Round, coming: Iterable[Coming]) -> Demand:
    """Put what found no place on the slices that come; the rest is needed."""
    in_order = sorted(coming, key=_preference)
    arriving = Room(vm for each in in_order for vm in vms_of(each))
    promised: dict[str, str] = {}
    needs: list[Need] = []
    for promise in done.promises:
        if not promise.left:
            continue
        later = promise_to(arriving, promise.pending, promise.shape, promise.left)
        if later.taken:
            first = later.taken[0][0]
            promised[promise.pending.job.uid] = first.slice_name
        if later.left:
            needs.append(_need(later))
    return Demand(arriving, promised, tuple(needs))


def waiting_count(pending: PendingJob) -> int:
    """Tasks that wait, those in back-off too; a gang only once all of it does."""
    count = pending.ready_count + pending.later_count
    spec = pending.job.spec
    return 0 if spec.gang and count < spec.tasks else count


def coming_slices(snapshot: Snapshot) -> list[Coming]:
    """The slices that are on their way and still wanted by the cluster file."""
    groups = {group.name: group for group in snapshot.groups}
    return [
        Coming(each.name, groups[each.group], each.zone)
        for each in snapshot.slices
        if each.state in SLICE_COMING and each.group in groups
    ]


def vms_of(coming: Coming) -> list[Candidate]:
    """The empty VMs that the slice will have."""
    vms = range(coming.group.vms)
    return [_vm_of(coming, index) for index in vms]


def _vm_of(coming: Coming, index: int) -> Candidate:
    vm = rules.imagined_vm(coming.group, coming.zone, index=index)
    uid = f"{coming.name}/{index}"
    return msgspec.structs.replace(vm, uid=uid, slice_name=coming.name)


def _need(promise: Promise) -> Need:
    return Need(promise.pending, promise.shape, promise.left)


def _preference(coming: Coming) -> tuple[int, str, int, bool, str]:
    group = coming.group
    zone = group.zones.index(coming.zone) if coming.zone in group.zones else -1
    return -group.priority, group.name, zone, coming.is_new, coming.name
