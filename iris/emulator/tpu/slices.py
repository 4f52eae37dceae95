"""Slices: what each call changes at once, and how they move on by themselves."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from msgspec.structs import replace

from iris.domain.accelerators import CATALOGUE
from iris.emulator.errors import missing, taken
from iris.emulator.faults import Fault, FaultKind
from iris.emulator.machines import Vm
from iris.emulator.parts import Parts
from iris.emulator.past import Past
from iris.emulator.tpu.attributes import vm_of
from iris.emulator.tpu.entries import entry_of_slice
from iris.emulator.tpu.operations import Operations
from iris.emulator.tpu.records import Json, Operation, SliceVm, State, TpuSlice
from iris.emulator.tpu.views import SLICE_TYPE, slice_view
from iris.emulator.tpu.wishes import Use, Wish, require_quota, type_of, use_of
from iris.emulator.tpu.words import busy, no_capacity, was_aborted
from iris.errors import OutOfCapacity

_UP = frozenset({State.CREATING, State.READY, State.STARTING})


class Hooks:
    """What others do when something happens to a slice."""

    def __init__(self) -> None:
        self.on_booted: Callable[[TpuSlice], None] = lambda _: None
        self.on_ready: Callable[[TpuSlice], None] = lambda _: None
        self.on_refused: Callable[[TpuSlice], None] = lambda _: None
        self.on_preempted: Callable[[TpuSlice], None] = lambda _: None
        self.on_deleted: Callable[[TpuSlice], None] = lambda _: None
        self.uses_of_others: Callable[[Wish], list[Use]] = lambda _: []


class Slices:
    """All slices; use it under the core's lock."""

    def __init__(self, parts: Parts, operations: Operations) -> None:
        self.hooks = Hooks()
        self._parts = parts
        self._core = parts.core
        self._operations = operations
        self._shelf = parts.core.shelf("tpu", TpuSlice)
        parts.projects.on_metadata.append(self.tell)
        self.past = Past(parts.core.clock, [(tpu.path, tpu) for tpu in self._shelf])

    # -- looking ---------------------------------------------------------------------

    def get(self, project: str, zone: str, name: str) -> TpuSlice:
        """The slice. Raises a 404."""
        found = self._shelf.find(f"{project}/{zone}/{name}")
        if found is None:
            raise missing(f"projects/{project}/locations/{zone}/nodes/{name}")
        return found

    def find(self, project: str, zone: str, name: str) -> TpuSlice | None:
        """The slice, None where there is none."""
        return self._shelf.find(f"{project}/{zone}/{name}")

    def listed(self, project: str, zone: str) -> list[TpuSlice]:
        """Those of a zone, of all zones for `-`."""
        found = [
            s for s in self._shelf if s.project == project and zone in ("-", s.zone)
        ]
        return sorted(found, key=lambda each: (each.zone, each.name))

    def view(self, tpu: TpuSlice) -> Json:
        """As the API writes it."""
        return slice_view(tpu, self._parts.projects.default_account(tpu.project))

    def uses(self) -> list[Use]:
        """What all of them hold of their quotas."""
        return [
            use_of(s.project, s.zone, s.accelerator, is_spot=s.is_spot)
            for s in self._shelf
        ]

    def all(self) -> list[TpuSlice]:
        """Every slice of every project."""
        return list(self._shelf)

    # -- coming ----------------------------------------------------------------------

    def create(self, wish: Wish) -> Operation:
        """One more slice. Raises 400s, 409s, 429s; a stockout comes later."""
        type_ = type_of(wish)
        former = self.find(wish.project, wish.zone, wish.name)
        if former is not None:
            raise taken(former.path)
        held = [*self.uses(), *self.hooks.uses_of_others(wish)]
        require_quota(self._parts, [(wish, type_)], held)
        tpu = self._made(wish, type_)
        stockout = self.take(tpu, "create", FaultKind.STOCKOUT)
        is_refused = stockout is not None or not tpu.vms
        operation = self.begin("create", tpu)
        tpu = replace(tpu, operation=operation.id, is_refused=is_refused)
        self._parts.ledger.opened(entry_of_slice(tpu))
        tpu = self.put(tpu)
        if is_refused:
            seconds = stockout.seconds if stockout else 0.0
            self.later(seconds or self._core.delays.stockout, tpu, self._refuse)
        else:
            self.later(self._core.delays.tpu_create, tpu, self._boot)
        return operation

    def _vms(self, count: int, wish: Wish) -> tuple[SliceVm, ...]:
        """All that it needs, none where the network has no room for them."""
        is_public = (wish.body.get("networkConfig") or {}).get("enableExternalIps")
        driver, vms = self._core.driver, []
        try:
            for _ in range(count):
                number = str(self._core.next_number())
                internal, external = driver.take_address(number)
                vms.append(SliceVm(number, internal, external if is_public else ""))
        except OutOfCapacity:
            for vm in vms:
                driver.delete(vm.id)
            return ()
        return tuple(vms)

    def _made(self, wish: Wish, type_: str) -> TpuSlice:
        made, core = CATALOGUE[type_], self._core
        vms = self._vms(made.vms, wish)
        first = vms[0].internal_ip if vms and wish.set_size > 1 else ""
        return TpuSlice(
            id=str(core.next_number()),
            project=wish.project,
            zone=wish.zone,
            name=wish.name,
            asked=wish.body,
            accelerator=type_,
            topology=made.topology,
            created_at=core.clock.now(),
            mark=secrets.token_hex(4),
            vms=vms,
            queued=wish.queued,
            set_index=wish.set_index,
            set_size=wish.set_size,
            coordinator=wish.coordinator or first,
        )

    def _refuse(self, tpu: TpuSlice) -> None:
        self._drop(tpu)
        self._operations.end(tpu.operation, error=no_capacity(tpu.zone))
        self.hooks.on_refused(tpu)

    def _boot(self, tpu: TpuSlice) -> None:
        workers = range(len(tpu.vms))
        lacking = tuple(w for w in workers if self.struck(tpu, "PARTIAL_SLICE", w))
        blank = tuple(w for w in workers if self.struck(tpu, "NO_INDEX", w))
        tpu = self.put(replace(tpu, is_booted=True, lacking=lacking, blank=blank))
        for worker, vm in enumerate(self.driven(tpu)):
            if worker not in lacking:
                late = self.struck(tpu, "LATE_METADATA", worker)
                vm = replace(vm, boot_delay=self._core.delays.vm_boot)
                delay = late.seconds if late else 0.0
                self._core.driver.boot(replace(vm, metadata_delay=delay))
        self.later(self._core.delays.tpu_ready, tpu, self._ready)
        self.hooks.on_booted(tpu)

    def _ready(self, tpu: TpuSlice) -> None:
        tpu = self.put(replace(tpu, state=State.READY))
        self.hooks.on_ready(tpu)
        late = self.take(tpu, "operation", FaultKind.LATE_OPERATION)
        if late is None or late.seconds:
            delay = late.seconds if late else self._core.delays.tpu_operation
            self.later(delay, tpu, self._finish)

    def _finish(self, tpu: TpuSlice) -> None:
        response = {"@type": SLICE_TYPE, **self.view(tpu)}
        self._operations.end(tpu.operation, response=response)
        self.put(replace(tpu, operation=""))

    # -- going -----------------------------------------------------------------------

    def delete(self, tpu: TpuSlice, request_id: str = "") -> Operation:
        """Give it back, whatever it does."""
        if tpu.state == State.DELETING:
            raise busy()
        if tpu.operation:
            self._operations.end(tpu.operation, error=was_aborted())
        operation = self.begin("delete", tpu, request_id)
        tpu = self.put(replace(tpu, state=State.DELETING, operation=operation.id))
        for vm in tpu.vms:
            self._core.driver.stop(vm.id)
        self.later(self._core.delays.tpu_delete, tpu, self._gone)
        self.hooks.on_deleted(tpu)
        return operation

    def _gone(self, tpu: TpuSlice) -> None:
        self._drop(tpu)
        self._operations.end(tpu.operation)

    def _drop(self, tpu: TpuSlice) -> None:
        for vm in tpu.vms:
            self._core.driver.delete(vm.id)
        self._shelf.drop(f"{tpu.project}/{tpu.zone}/{tpu.name}")
        self.past.keep(tpu.path, None)
        self._parts.ledger.closed("slice", tpu.id)
        self._core.changed.notify_all()

    # -- steps -------------------------------------------------------------------------

    def driven(self, tpu: TpuSlice) -> tuple[Vm, ...]:
        """Its VMs as the driver boots them."""
        project = self._parts.projects.get(tpu.project)
        workers = range(len(tpu.vms))
        made = (vm_of(tpu, worker, project.number) for worker in workers)
        return tuple(replace(vm, project_attributes=project.metadata) for vm in made)

    def tell(self, project: str) -> None:
        """The metadata of a project changed: VMs that are up see it."""
        for tpu in self._shelf:
            if tpu.project == project:
                for vm in self._up(tpu):
                    self._core.driver.update(vm)

    def resume(self) -> tuple[Vm, ...]:
        """After a restart of the emulator: move on, and say which VMs should be up."""
        for tpu in self._shelf:
            if tpu.state == State.CREATING:
                self.later(0.0, tpu, self._next_of(tpu))
            elif tpu.state == State.DELETING:
                self.later(0.0, tpu, self._gone)
            elif tpu.state == State.READY and tpu.operation:
                self.later(0.0, tpu, self._finish)
        return tuple(vm for tpu in self._shelf for vm in self._up(tpu))

    def _up(self, tpu: TpuSlice) -> list[Vm]:
        if not tpu.is_booted or tpu.state not in _UP or tpu.taken_at:
            return []
        driven = enumerate(self.driven(tpu))
        return [vm for worker, vm in driven if worker not in tpu.lacking]

    def _next_of(self, tpu: TpuSlice) -> Callable[[TpuSlice], None]:
        if tpu.is_refused:
            return self._refuse
        return self._ready if tpu.is_booted else self._boot

    def later(
        self, delay: float, tpu: TpuSlice, step: Callable[[TpuSlice], None]
    ) -> None:
        """Take a step after a while, unless something else happened to it."""

        def due() -> None:
            now = self.find(tpu.project, tpu.zone, tpu.name)
            # deleted or taken meanwhile: that has its own way
            if now is not None and (now.id, now.state) == (tpu.id, tpu.state):
                step(now)

        self._core.later.after(delay, due)

    def put(self, tpu: TpuSlice) -> TpuSlice:
        """Keep what changed about a slice."""
        self._shelf.put(f"{tpu.project}/{tpu.zone}/{tpu.name}", tpu)
        self.past.keep(tpu.path, tpu)
        is_billed = tpu.state == State.READY
        self._parts.ledger.moved("slice", tpu.id, str(tpu.state), is_billed=is_billed)
        self._core.changed.notify_all()
        return tpu

    def take(self, tpu: TpuSlice, verb: str, *kinds: FaultKind) -> Fault | None:
        """A fault of these kinds that names the slice."""
        return self._core.faults.take(
            *kinds,
            api="tpu",
            verb=verb,
            zone=tpu.zone,
            type=tpu.accelerator,
            name=tpu.name,
        )

    def is_planned(self, tpu: TpuSlice, kind: FaultKind) -> bool:
        """May a fault of this kind strike the slice just now?"""
        facts = {"zone": tpu.zone, "type": tpu.accelerator, "name": tpu.name}
        return self._core.faults.is_planned(kind, api="tpu", **facts)

    def struck(self, tpu: TpuSlice, kind: str, worker: int) -> Fault | None:
        """A fault of this kind that names one of its VMs."""
        return self._core.faults.take(
            FaultKind[kind],
            api="tpu",
            zone=tpu.zone,
            type=tpu.accelerator,
            name=tpu.name,
            worker=worker,
        )

    def begin(self, verb: str, tpu: TpuSlice, request_id: str = "") -> Operation:
        """An operation on a slice."""
        return self._operations.begin(
            verb, tpu.project, tpu.zone, tpu.path, request_id=request_id
        )
