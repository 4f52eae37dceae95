"""Queued resources: they wait, are served with slices, and outlive them."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from iris.emulator.errors import Refusal, missing, taken
from iris.emulator.faults import FaultKind
from iris.emulator.ledger import Entry
from iris.emulator.parts import Parts
from iris.emulator.tpu.fates import Fates
from iris.emulator.tpu.operations import Operations
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
from iris.emulator.tpu.wishes import Wish, no_capacity, require_quota, type_of

_DELETABLE = frozenset(
    {
        QueuedState.WAITING,
        QueuedState.FAILED,
        QueuedState.SUSPENDED,
    }
)


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
        slices.on_preempted = self._slice_taken
        slices.on_ready = self._slice_ready

    def get(self, project: str, zone: str, name: str) -> Queued:
        """The queued resource. Raises a 404."""
        found = self._shelf.find(f"{project}/{zone}/{name}")
        if found is None:
            raise missing(f"projects/{project}/locations/{zone}/queuedResources/{name}")
        return found

    def listed(self, project: str, zone: str) -> list[Queued]:
        """Those of a zone, of all zones for `-`."""
        found = [
            q for q in self._shelf if q.project == project and zone in ("-", q.zone)
        ]
        return sorted(found, key=lambda each: (each.zone, each.name))

    def create(
        self, project: str, zone: str, name: str, body: Json, request_id: str = ""
    ) -> Operation:
        """One more; its operation is done once it is accepted."""
        former = self._operations.of_request(request_id)
        if former is not None:
            return former
        key = f"{project}/{zone}/{name}"
        if self._shelf.find(key) is not None:
            raise taken(f"projects/{project}/locations/{zone}/queuedResources/{name}")
        queued = Queued(
            id=str(self._core.next_number()),
            project=project,
            zone=zone,
            name=name,
            asked=body,
            created_at=self._core.clock.now(),
        )
        for wish in _wishes(queued):
            held = self._slices.listed(project, zone)
            require_quota(self._parts, wish, type_of(wish), held)
        self._open(queued)
        operation = self._operations.begin(
            "create", project, zone, queued.path, request_id=request_id
        )
        queued = self._put(replace(queued, operation=operation.id))
        self._later(0.0, queued, self._accept)
        return operation

    def _accept(self, queued: Queued) -> None:
        queued = self._put(replace(queued, state=QueuedState.WAITING))
        response = {"@type": QUEUED_TYPE, **queued_view(queued)}
        self._operations.end(queued.operation, response=response)
        stockout = self._core.faults.take(
            FaultKind.STOCKOUT,
            api="tpu",
            verb="create",
            zone=queued.zone,
            type=_wishes(queued)[0].body.get("acceleratorType", ""),
            name=queued.name,
        )
        if stockout is None:
            self._later(self._core.delays.queue, queued, self._serve)
        elif stockout.seconds:
            self._later(stockout.seconds, queued, self._expire)

    def _expire(self, queued: Queued) -> None:
        error = no_capacity(queued.zone)
        self._put(replace(queued, state=QueuedState.FAILED, error=error))

    def _serve(self, queued: Queued) -> None:
        queued = self._put(replace(queued, state=QueuedState.PROVISIONING))
        for wish in _wishes(queued):
            try:
                self._slices.create(wish)
            except Refusal as refusal:
                error = {"code": 8, "message": refusal.message}
                self._put(replace(queued, state=QueuedState.FAILED, error=error))
                return

    def _slice_ready(self, tpu: TpuSlice) -> None:
        queued = self._of(tpu)
        if queued is None or queued.state is not QueuedState.PROVISIONING:
            return
        if all(s.state == State.READY for s in self._slices_of(queued)):
            self._put(replace(queued, state=QueuedState.ACTIVE))

    def _slice_taken(self, tpu: TpuSlice) -> None:
        queued = self._of(tpu)
        if queued is not None:
            self._suspend(queued, "SERVICE")

    def _suspend(self, queued: Queued, initiator: str) -> None:
        queued = self._put(
            replace(queued, state=QueuedState.SUSPENDING, initiator=initiator)
        )
        self._later(
            0.0,
            queued,
            lambda now: self._put(replace(now, state=QueuedState.SUSPENDED)),
        )

    def delete(self, queued: Queued, *, force: bool, request_id: str = "") -> Operation:
        """Give it back, its slices first where forced. Raises a 400 where not."""
        if not force and queued.state not in _DELETABLE:
            raise Refusal(
                "not-ready",
                f"Queued resource '{queued.path}' cannot be deleted in state "
                f"{queued.state}; use force.",
            )
        operation = self._operations.begin(
            "delete", queued.project, queued.zone, queued.path, request_id=request_id
        )
        for tpu in self._slices_of(queued):
            if tpu.state != State.DELETING:
                self._slices.delete(tpu)
        queued = self._put(
            replace(queued, state=QueuedState.DELETING, operation=operation.id)
        )
        self._later(self._core.delays.tpu_delete, queued, self._gone)
        return operation

    def _gone(self, queued: Queued) -> None:
        if self._slices_of(queued):
            self._later(0.05, queued, self._gone)
            return
        self._shelf.drop(f"{queued.project}/{queued.zone}/{queued.name}")
        self._parts.ledger.closed("queued-resource", queued.id)
        self._operations.end(queued.operation)

    def strike(self) -> None:
        """The service suspends what a fault names."""
        for queued in self._shelf:
            fault = self._core.faults.take(
                FaultKind.SUSPENDED, api="tpu", zone=queued.zone, name=queued.name
            )
            if fault is not None:
                for tpu in self._slices_of(queued):
                    self._fates.preempt(tpu, 0.0)
                self._suspend(queued, "SERVICE")

    def resume(self) -> None:
        """After a restart of the emulator: move on."""
        steps: dict[QueuedState, Callable[[Queued], None]] = {
            QueuedState.CREATING: self._accept,
            QueuedState.WAITING: self._serve,
            QueuedState.DELETING: self._gone,
        }
        for queued in self._shelf:
            if queued.state in steps:
                self._later(0.0, queued, steps[queued.state])

    def _of(self, tpu: TpuSlice) -> Queued | None:
        return self._shelf.find(f"{tpu.project}/{tpu.zone}/{tpu.queued}")

    def _slices_of(self, queued: Queued) -> list[TpuSlice]:
        found = self._slices.listed(queued.project, queued.zone)
        return [tpu for tpu in found if tpu.queued == queued.name]

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
        state = str(queued.state)
        self._parts.ledger.moved("queued-resource", queued.id, state, is_billed=False)
        self._core.changed.notify_all()
        return queued

    def _open(self, queued: Queued) -> None:
        body = _wishes(queued)[0].body
        entry = Entry(
            kind="queued-resource",
            id=queued.id,
            name=queued.name,
            project=queued.project,
            zone=queued.zone,
            type=str(body.get("acceleratorType", "")),
            capacity="spot" if "spot" in queued.asked else "queued",
            labels=dict(body.get("labels") or {}),
            state=str(queued.state),
            created_at=queued.created_at,
        )
        self._parts.ledger.opened(entry)


def _wishes(queued: Queued) -> list[Wish]:
    """The slices that it asks for. Raises a 400 where it asks for none."""
    specs = (queued.asked.get("tpu") or {}).get("nodeSpec") or []
    if not specs:
        raise Refusal("invalid", "Queued resource must have a node_spec.")
    spec = specs[0]
    body = dict(spec.get("node") or {})
    if "spot" in queued.asked:
        body["schedulingConfig"] = {
            **(body.get("schedulingConfig") or {}),
            "spot": True,
        }
    many = spec.get("multisliceParams") or spec.get("multiNodeParams") or {}
    prefix = many.get("nodeIdPrefix") or queued.name
    count = int(many.get("nodeCount") or 0)
    names = [f"{prefix}-{n}" for n in range(count)] or [spec.get("nodeId") or prefix]
    return [
        Wish(
            project=queued.project,
            zone=queued.zone,
            name=str(name),
            body=body,
            queued=queued.name,
            set_index=place,
            set_size=len(names),
        )
        for place, name in enumerate(names)
    ]
