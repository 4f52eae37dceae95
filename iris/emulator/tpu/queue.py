"""Queued resources: they wait, are served with slices, and outlive them."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from iris.emulator.errors import Refusal, missing, taken
from iris.emulator.faults import Fault, FaultKind
from iris.emulator.parts import Parts
from iris.emulator.past import Past
from iris.emulator.tpu.entries import entry_of_queued
from iris.emulator.tpu.fates import Fates
from iris.emulator.tpu.operations import Operations
from iris.emulator.tpu.queued_wishes import interval_of, wishes_of
from iris.emulator.tpu.records import (
    Json,
    Operation,
    Queued,
    QueuedState,
    State,
    TpuSlice,
)
from iris.emulator.tpu.slices import Slices
from iris.emulator.tpu.views import QUEUED_TYPE, queued_view
from iris.emulator.tpu.wishes import (
    Use,
    Wish,
    require_id,
    require_quota,
    type_of,
    use_of,
)
from iris.emulator.tpu.words import (
    busy,
    has_expired,
    no_capacity,
    status_of,
    was_aborted,
)

RETRY = 1.0  # seconds at least until one that found no room is served again
LOOK = 0.05  # seconds between two looks whether its slices are gone
_DELETABLE = frozenset({QueuedState.WAITING, QueuedState.FAILED, QueuedState.SUSPENDED})
_SUSPENDABLE = frozenset(
    {QueuedState.WAITING, QueuedState.PROVISIONING, QueuedState.ACTIVE}
)
_SERVED = frozenset({QueuedState.PROVISIONING, QueuedState.ACTIVE})


class Queue:
    """All queued resources; use it under the core's lock."""

    def __init__(
        self, parts: Parts, operations: Operations, slices: Slices, fates: Fates
    ) -> None:
        self._fates = fates
        self._parts = parts
        self._core = parts.core
        self._operations = operations
        self._slices = slices
        self._shelf = parts.core.shelf("queued-resource", Queued)
        self.past = Past(parts.core.clock, [(q.path, q) for q in self._shelf])
        slices.hooks.on_preempted = lambda tpu: self._lost(tpu, "SERVICE")
        slices.hooks.on_deleted = lambda tpu: self._lost(tpu, "USER")
        slices.hooks.on_refused = self._slice_refused
        slices.hooks.on_ready = self._slice_ready
        slices.hooks.uses_of_others = self._uses_without

    def get(self, project: str, zone: str, name: str) -> Queued:
        """The queued resource. Raises a 404."""
        found = self._shelf.find(f"{project}/{zone}/{name}")
        if found is None:
            raise missing(f"projects/{project}/locations/{zone}/queuedResources/{name}")
        return found

    # -- calls -------------------------------------------------------------------------

    def create(
        self, project: str, zone: str, name: str, body: Json, request_id: str = ""
    ) -> Operation:
        """One more; its operation is done once it is accepted."""
        require_id(name)
        begins_at, expires_at = interval_of(body, self._core.clock.now())
        queued = Queued(
            id=str(self._core.next_number()),
            project=project,
            zone=zone,
            name=name,
            asked=body,
            created_at=self._core.clock.now(),
            begins_at=begins_at,
            expires_at=expires_at,
        )
        former = self._operations.of_request(request_id, "create", queued.path)
        if former is not None:
            return former
        if self._shelf.find(f"{project}/{zone}/{name}") is not None:
            raise taken(queued.path)
        wishes = [(wish, type_of(wish)) for wish in wishes_of(queued)]
        first, type_ = wishes[0]
        held = [*self._slices.uses(), *self._uses_without(first)]
        require_quota(self._parts, wishes, held)
        labels = dict(first.body.get("labels") or {})
        self._parts.ledger.opened(entry_of_queued(queued, type_, labels))
        operation = self._begin("create", queued, request_id)
        queued = self._put(replace(queued, operation=operation.id))
        self._later(0.0, queued, self._accept)
        return operation

    def delete(self, queued: Queued, *, force: bool, request_id: str = "") -> Operation:
        """Give it back, its slices first where forced. Raises a 400 where not."""
        former = self._operations.of_request(request_id, "delete", queued.path)
        if former is not None:
            return former
        if queued.state is QueuedState.DELETING:
            raise busy()
        if not force and queued.state not in _DELETABLE:
            raise Refusal(
                "not-ready",
                f"Queued resource '{queued.path}' cannot be deleted in state "
                f"{queued.state}; use force.",
            )
        self._operations.end(queued.operation, error=was_aborted())  # if it runs
        operation = self._begin("delete", queued, request_id)
        queued = self._put(
            replace(queued, state=QueuedState.DELETING, operation=operation.id)
        )
        self._delete_slices(queued)
        self._later(self._core.delays.tpu_delete, queued, self._gone)
        return operation

    def strike(self) -> None:
        """The service suspends what a fault names."""
        for queued in self._shelf:
            if queued.state not in _SUSPENDABLE:
                continue
            if self._take(queued, FaultKind.SUSPENDED) is not None:
                self._suspend(queued, "SERVICE")
                for tpu in self._slices_of(queued):
                    self._fates.preempt(tpu, 0.0)

    def resume(self) -> None:
        """After a restart of the emulator: move on."""
        steps: dict[QueuedState, Callable[[Queued], None]] = {
            QueuedState.CREATING: self._accept,
            QueuedState.WAITING: self._wait,
            QueuedState.SUSPENDING: self._suspended,
            QueuedState.DELETING: self._gone,
        }
        for queued in self._shelf:
            if queued.state in steps:
                self._later(0.0, queued, steps[queued.state])

    # -- steps -------------------------------------------------------------------------

    def _accept(self, queued: Queued) -> None:
        stockout = self._take(queued, FaultKind.STOCKOUT)
        queued = self._put(replace(queued, state=QueuedState.WAITING))
        response = {"@type": QUEUED_TYPE, **queued_view(queued)}
        self._operations.end(queued.operation, response=response)
        if stockout is None:
            self._wait(queued)
        else:
            self._expire_later(queued)
        if stockout is not None and stockout.seconds:
            error = no_capacity(queued.zone)
            self._later(stockout.seconds, queued, lambda q: self._fail(q, error))

    def _wait(self, queued: Queued, at_least: float = 0.0) -> None:
        self._expire_later(queued)
        until_valid = queued.begins_at - self._core.clock.now()
        delay = max(self._core.delays.queue, until_valid, at_least, 0.0)
        self._later(delay, queued, self._serve)

    def _expire_later(self, queued: Queued) -> None:
        if queued.expires_at:
            left = max(queued.expires_at - self._core.clock.now(), 0.0)
            self._later(left, queued, lambda q: self._fail(q, has_expired()))

    def _fail(self, queued: Queued, error: Json) -> None:
        queued = self._put(replace(queued, state=QueuedState.FAILED, error=error))
        self._delete_slices(queued)

    def _serve(self, queued: Queued) -> None:
        if self._slices_of(queued):  # of the last try, on their way out
            self._later(LOOK, queued, self._serve)
            return
        queued = self._put(replace(queued, state=QueuedState.PROVISIONING))
        coordinator = ""
        for wish in wishes_of(queued):
            try:
                self._slices.create(replace(wish, coordinator=coordinator))
            except Refusal as refusal:
                self._fail(queued, status_of(refusal))
                return
            made = self._slices.get(wish.project, wish.zone, wish.name)
            coordinator = coordinator or made.coordinator

    def _slice_ready(self, tpu: TpuSlice) -> None:
        queued = self._of(tpu)
        if queued is None or queued.state is not QueuedState.PROVISIONING:
            return
        if all(s.state == State.READY for s in self._slices_of(queued)):
            self._put(replace(queued, state=QueuedState.ACTIVE))

    def _slice_refused(self, tpu: TpuSlice) -> None:
        """There was no room after all: back into the queue."""
        queued = self._of(tpu)
        if queued is not None and queued.state is QueuedState.PROVISIONING:
            queued = self._put(replace(queued, state=QueuedState.WAITING))
            self._delete_slices(queued)
            self._wait(queued, RETRY)

    def _lost(self, tpu: TpuSlice, initiator: str) -> None:
        queued = self._of(tpu)
        if queued is not None and queued.state in _SERVED:
            self._suspend(queued, initiator)

    def _suspend(self, queued: Queued, initiator: str) -> None:
        state = QueuedState.SUSPENDING
        queued = self._put(replace(queued, state=state, initiator=initiator))
        self._later(0.0, queued, self._suspended)

    def _suspended(self, queued: Queued) -> None:
        if any(s.state == State.DELETING for s in self._slices_of(queued)):
            self._later(LOOK, queued, self._suspended)
        else:
            self._put(replace(queued, state=QueuedState.SUSPENDED))

    def _gone(self, queued: Queued) -> None:
        if self._slices_of(queued):
            self._later(LOOK, queued, self._gone)
            return
        self._shelf.drop(f"{queued.project}/{queued.zone}/{queued.name}")
        self.past.keep(queued.path, None)
        self._parts.ledger.closed("queued-resource", queued.id)
        self._operations.end(queued.operation)

    # -- what they stand on ------------------------------------------------------------

    def _uses_without(self, wish: Wish) -> list[Use]:
        """What queued resources hold of quotas beside their slices, but for its own."""
        others = [
            q for q in self._shelf if (q.zone, q.name) != (wish.zone, wish.queued)
        ]
        return [
            use_of(each.project, each.zone, type_of(each), is_spot=each.is_spot)
            for queued in others
            if queued.state not in (QueuedState.FAILED, QueuedState.DELETING)
            for each in wishes_of(queued)
            if self._slices.find(each.project, each.zone, each.name) is None
        ]

    def _take(self, queued: Queued, kind: FaultKind) -> Fault | None:
        type_ = str(wishes_of(queued)[0].body.get("acceleratorType", ""))
        take, zone, name = self._core.faults.take, queued.zone, queued.name
        return take(kind, api="tpu", verb="create", zone=zone, type=type_, name=name)

    def _of(self, tpu: TpuSlice) -> Queued | None:
        return self._shelf.find(f"{tpu.project}/{tpu.zone}/{tpu.queued}")

    def _slices_of(self, queued: Queued) -> list[TpuSlice]:
        found = self._slices.listed(queued.project, queued.zone)
        return [tpu for tpu in found if tpu.queued == queued.name]

    def _delete_slices(self, queued: Queued) -> None:
        for tpu in self._slices_of(queued):
            if tpu.state != State.DELETING:
                self._slices.delete(tpu)

    def _begin(self, verb: str, queued: Queued, request_id: str) -> Operation:
        at = (queued.project, queued.zone, queued.path)
        return self._operations.begin(verb, *at, request_id=request_id)

    def _later(
        self, delay: float, queued: Queued, step: Callable[[Queued], object]
    ) -> None:
        key = f"{queued.project}/{queued.zone}/{queued.name}"

        def due() -> None:
            now = self._shelf.find(key)
            if now is not None and (now.id, now.state) == (queued.id, queued.state):
                step(now)

        self._core.later.after(delay, due)

    def _put(self, queued: Queued) -> Queued:
        self._shelf.put(f"{queued.project}/{queued.zone}/{queued.name}", queued)
        self.past.keep(queued.path, queued)
        self._parts.ledger.moved(
            "queued-resource", queued.id, str(queued.state), is_billed=False
        )
        self._core.changed.notify_all()
        return queued
