"""Workers: registration, phases of their boot, liveness."""

from __future__ import annotations

from msgspec.structs import replace

from iris.controller.change import Change, hash_token
from iris.controller.transitions.slices import move_slice
from iris.domain.access import Grant, Role
from iris.domain.fleet import BootPhase, Slice, Worker
from iris.domain.protocol import PhaseReport, Registration
from iris.domain.states import (
    SLICE_COMING,
    WORKER_MOVES,
    SliceState,
    require_move,
)
from iris.errors import Conflict, IllegalMove, NotAuthenticated, NotThere
from iris.planning.backoff import next_backoff
from iris.planning.plans import LivenessPlan, WorkerMove

FAILED = "failed"  # the phase that a boot ends with, with its reason
# What a VM may say of its boots: its join token can be read by what runs on it.
MOST_PHASES, MOST_LETTERS = 200, 500


def register(change: Change, registration: Registration, token: str) -> Worker:
    """Take a worker in under a new token; the join token was checked before."""
    slice_ = _joined_slice(change, registration)
    former = change.tables.slice_workers.get(slice_.name, {}).get(registration.index)
    if former is not None:
        _refuse_second(change, former, registration)
        change.drop("grants", former.token_hash)
    group = change.tables.groups.get(slice_.group)
    if group is None:
        raise Conflict(f"the cluster file has no scale group {slice_.group!r} any more")
    worker = Worker(
        uid=former.uid if former else change.new_id("w"),
        slice_name=slice_.name,
        index=registration.index,
        boot_id=registration.boot_id,
        address=registration.address,
        nudge_port=0,
        resources=group.resources,
        token_hash=hash_token(token),
        registered_at=change.now,
        limits=registration.limits,
        version=registration.version,
    )
    change.put_worker(worker)
    change.put_grant(
        Grant(worker.token_hash, Role.WORKER, worker.uid, worker.uid, change.now)
    )
    change.event("worker registered", slice_name=slice_.name, worker_uid=worker.uid)
    _advance_boot(change, slice_, registration.index)
    return worker


def _joined_slice(change: Change, registration: Registration) -> Slice:
    try:
        slice_ = change.slice(registration.slice_name)
    except NotThere as error:
        raise NotAuthenticated(str(error)) from error
    if slice_.uid != registration.slice_uid:
        raise NotAuthenticated(f"slice {slice_.name} has another uid")
    if not 0 <= registration.index < slice_.vms:
        raise Conflict(f"slice {slice_.name} has no index {registration.index}")
    if slice_.state not in SLICE_COMING and slice_.state is not SliceState.READY:
        raise Conflict(f"slice {slice_.name} is {slice_.state}: {slice_.because}")
    return slice_


def _refuse_second(change: Change, former: Worker, registration: Registration) -> None:
    is_repeat = former.boot_id == registration.boot_id
    if not is_repeat or former.uid in change.tables.heartbeat_seqs:
        raise Conflict(
            f"the join token of {former.slice_name}/{former.index} was used",
            hint="A machine that lost its identity is replaced with its slice.",
        )


def note_double(change: Change, registration: Registration) -> None:
    """Two VMs with one index never make a whole slice: it ends before it works."""
    name, index = registration.slice_name, registration.index
    former = change.tables.slice_workers.get(name, {}).get(index)
    slice_ = change.tables.slices.get(name)
    if former is None or slice_ is None or slice_.state is not SliceState.BOOTING:
        return
    if former.address != registration.address:
        both = f"{former.address} and {registration.address}"
        _fail_boot(change, slice_, index, f"two VMs have its index: {both}")


def _advance_boot(change: Change, slice_: Slice, index: int) -> None:
    if slice_.state in (SliceState.REQUESTED, SliceState.CREATING):
        because = f"worker {index} registered"
        slice_ = move_slice(change, slice_, SliceState.BOOTING, because)
    there = set(change.tables.slice_workers.get(slice_.name, {})) | {index}
    if slice_.state is SliceState.BOOTING and len(there) == slice_.vms:
        move_slice(
            change, slice_, SliceState.READY, f"all {slice_.vms} workers registered"
        )
        key = (slice_.group, slice_.zone)
        if key in change.tables.backoffs:
            change.drop("backoffs", *key)


def report_phase(change: Change, report: PhaseReport) -> None:
    """Keep one step of a boot. A boot that failed ends its slice before it works."""
    slice_ = change.slice(report.slice_name)
    said = change.tables.phases.get(slice_.name, {})
    if sum(index == report.index for index, _ in said) >= MOST_PHASES:
        raise Conflict(f"{slice_.name}/{report.index} has said enough of its boot")
    name, detail = report.phase[:MOST_LETTERS], report.detail[:MOST_LETTERS]
    change.put_phase(BootPhase(slice_.name, report.index, name, report.at, detail))
    there = change.tables.slice_workers.get(slice_.name, {})
    if name == FAILED and slice_.state in SLICE_COMING and report.index not in there:
        _fail_boot(change, slice_, report.index, detail or "it says no why")


def _fail_boot(change: Change, slice_: Slice, index: int, detail: str) -> None:
    because = detail if index < 0 else f"worker {index}: {detail}"
    move_slice(change, slice_, SliceState.FAILED, f"a boot failed: {because}")
    place = slice_.group, slice_.zone
    previous = change.tables.backoffs.get(place)
    backoff = next_backoff(previous, *place, "boot-failed", because, change.now)
    change.put_backoff(backoff)


def commit_liveness(change: Change, plan: LivenessPlan) -> None:
    """Moves that still hold; a worker heard meanwhile stays."""
    for move in plan.moves:
        try:
            _move(change, move)
        except (NotThere, IllegalMove):
            continue


def _move(change: Change, move: WorkerMove) -> None:
    worker = change.worker(move.worker_uid)
    require_move(WORKER_MOVES, f"worker {worker.uid}", worker.state, move.to)
    change.put_worker(replace(worker, state=move.to))
    change.event(
        f"worker {move.to}",
        because=move.because,
        slice_name=worker.slice_name,
        worker_uid=worker.uid,
    )


def note_ending(change: Change, worker: Worker, *, is_ending: bool) -> None:
    """Was its keeper told to end? One that begins anew takes what waited for it."""
    was_ending = worker.uid in change.tables.ending
    change.tables.note_ending(worker.uid, is_ending=is_ending)
    if was_ending and not is_ending:
        change.event(
            "worker began anew",
            because="its keeper was told to end, and is back",
            slice_name=worker.slice_name,
            worker_uid=worker.uid,
        )
