"""A model of a cloud behind the provider's contract, as unreliable as a real one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import Capacity
from iris.errors import AlreadyExists, CloudError, OutOfCapacity
from iris.providers.contract import CloudSlice, Listing, Phase, SliceRequest
from iris.simulation.faults import Weather
from iris.simulation.refusals import DONE_AND_YET, PASSING, REFUSALS
from iris.simulation.workers import SimulatedVm
from iris.simulation.world import HOUR, MINUTE, World


class Resource:
    """One slice as it really is."""

    def __init__(self, request: SliceRequest, now: float) -> None:
        self.name = request.name
        self.uid = request.uid
        self.group: ScaleGroup = request.group
        self.zone = request.zone
        self.created_at = now
        self.deletion_asked_at = 0.0
        self.words = ""
        self.is_left_out = False  # of the listing before
        self.vms: list[SimulatedVm] = []
        # what a listing shows from when on; None: nothing any more
        self.history: list[tuple[float, Phase | None]] = [(now, Phase.CREATING)]

    @property
    def phase(self) -> Phase | None:
        return self.history[-1][1]

    def phase_at(self, time: float) -> Phase | None:
        """What a listing of that time shows."""
        shown: Phase | None = None
        for since, phase in self.history:
            if since <= time:
                shown = phase
        return shown


MakeVm = Callable[[SliceRequest, int], SimulatedVm]


class SimulatedCloud:
    """Keeps the controller's half of the provider contract."""

    def __init__(self, world: World, weather: Weather, make_vm: MakeVm) -> None:
        self._world = world
        self._weather = weather
        self._make_vm = make_vm
        self._stockouts: dict[str, float] = {}  # zone -> when it ends
        self.resources: dict[str, Resource] = {}
        self.recent: list[Resource] = []  # gone, but stale listings show them
        self._late_refusals: dict[str, CloudError] = {}
        self.zones: tuple[str, ...] = ()
        self.created = 0

    def start(self, zones: tuple[str, ...]) -> None:
        self.zones = zones
        for zone in zones:
            self._await_stockout(zone)

    # -- the contract --------------------------------------------------------------

    def create_slice(self, request: SliceRequest) -> str:
        self._maybe_refuse_passing()
        known = self.resources.get(request.name)
        if known is not None:
            if known.uid != request.uid:
                raise AlreadyExists(f"{request.name} exists")
            return ""
        self._maybe_refuse(request)
        if self._weather.strikes(self._weather.faults.create_queued):
            # uncancelled, and granted when nobody waits for it any more
            later = self._weather.between(5 * MINUTE, 1.5 * HOUR)
            self._world.after(later, partial(self._create, request))
            raise self._weather.chance.choice(PASSING)
        self._create(request)
        self._maybe_lose_the_answer()
        return request.name

    def creation_error(self, creation: str, zone: str) -> CloudError | None:
        self._maybe_refuse_passing()
        return self._late_refusals.get(creation)

    def delete_slice(self, name: str, zone: str) -> None:
        self._maybe_refuse_passing()
        resource = self.resources.get(name)
        if resource is None:
            return
        resource.deletion_asked_at = resource.deletion_asked_at or self._world.now
        if not self._weather.strikes(self._weather.faults.delete_ignored):
            self._delete(resource)
        self._maybe_lose_the_answer()

    def announce_controller(self, name: str, zone: str, controller_url: str) -> None:
        """Nothing: the controller keeps its address here."""

    def list_slices(self) -> Listing:
        self._maybe_refuse_passing()
        faults, now = self._weather.faults, self._world.now
        is_stale = self._weather.strikes(faults.list_stale)
        shown_at = now - self._weather.between(0.0, faults.list_lag) * is_stale
        silent = {
            zone: "503 backend error"
            for zone in self.zones
            if self._weather.strikes(faults.zone_silent)
        }
        self.recent = [r for r in self.recent if r.history[-1][0] > now - MINUTE]
        everything = (*self.resources.values(), *self.recent)
        shown = (self._show(each, shown_at) for each in everything)
        slices = tuple(each for each in shown if each and each.zone not in silent)
        return Listing(now, slices, silent)

    # -- what happens by itself ----------------------------------------------------

    def heal(self) -> None:
        """From now on nothing goes wrong: what is stuck moves on."""
        self._stockouts.clear()
        for resource in list(self.resources.values()):
            for vm in resource.vms:
                vm.agent.return_now()
            if resource.phase is Phase.DELETING:
                self._world.after(MINUTE, partial(self._vanish, resource))

    def stop(self, resource: Resource, phase: Phase, words: str) -> None:
        """The cloud takes it, or it broke: it works no more, yet it is listed."""
        if resource.phase not in (Phase.CREATING, Phase.UP):
            return
        for vm in resource.vms:
            vm.end(f"its slice is {phase}")
        resource.words = words
        self._turn(resource, phase)

    def _maybe_refuse_passing(self) -> None:
        if self._weather.strikes(self._weather.faults.passing):
            raise self._weather.chance.choice(PASSING)

    def _maybe_lose_the_answer(self) -> None:
        if self._weather.strikes(self._weather.faults.answer_lost):
            raise self._weather.chance.choice(DONE_AND_YET)

    def _maybe_refuse(self, request: SliceRequest) -> None:
        if self._stockouts.get(request.zone, 0.0) > self._world.now:
            raise OutOfCapacity(f"no more capacity in {request.zone}")
        if self._weather.strikes(self._weather.faults.refused):
            weights = [weight for _, _, weight in REFUSALS]
            kind, words, _ = self._weather.chance.choices(REFUSALS, weights)[0]
            self._world.tell(f"cloud refuses {request.name}: {kind.code()}")
            raise kind(words)

    def _create(self, request: SliceRequest) -> None:
        if request.name in self.resources:
            return
        resource = Resource(request, self._world.now)
        self.resources[request.name] = resource
        self.created += 1
        self._world.tell(f"cloud takes {request.name} in {request.zone}")
        faults = self._weather.faults
        seconds = self._weather.between(2.0, MINUTE)
        if self._weather.strikes(faults.create_slow):
            seconds = self._weather.between(10 * MINUTE, 40 * MINUTE)
        if self._weather.strikes(faults.create_fails):
            self._world.after(seconds, lambda: self._fail_to_come(resource))
            return
        self._world.after(seconds, lambda: self._come_up(resource, request))
        if request.group.capacity is Capacity.SPOT:
            self._world.after(
                self._weather.gap(faults.preemption_gap),
                lambda: self._preempt(resource),
            )

    def _fail_to_come(self, resource: Resource) -> None:
        """It stays as a thing that stopped, or goes, and the operation says why."""
        if self._weather.strikes(0.5):
            self.stop(resource, Phase.STOPPED, "the VM could not be started")
        elif resource.phase is Phase.CREATING:
            words = f"no more capacity in {resource.zone}"
            self._late_refusals[resource.name] = OutOfCapacity(words)
            self._vanish(resource)

    def _come_up(self, resource: Resource, request: SliceRequest) -> None:
        if resource.phase is not Phase.CREATING:
            return
        self._turn(resource, Phase.UP)
        for index in range(request.group.vms):
            vm = self._make_vm(request, index)
            vm.siblings = resource.vms
            vm.when_broken = lambda words: self._maybe_notice(resource, words)
            resource.vms.append(vm)
            vm.boot()

    def _maybe_notice(self, resource: Resource, words: str) -> None:
        """A VM broke: the cloud says so, or goes on saying that all is well."""
        if self._weather.strikes(0.5):
            self.stop(resource, Phase.STOPPED, words)

    def _preempt(self, resource: Resource) -> None:
        if self._world.is_quiet or resource.phase is not Phase.UP:
            return
        # its state need not read PREEMPTED; now and then it is simply not there
        how = self._weather.chance.choice(
            (Phase.PREEMPTED, Phase.PREEMPTED, Phase.STOPPED, None)
        )
        if how is None:
            self._vanish(resource)
        else:
            self.stop(resource, how, "preempted")

    def _delete(self, resource: Resource) -> None:
        if resource.phase in (Phase.DELETING, None):
            return
        self._turn(resource, Phase.DELETING)
        seconds = self._weather.between(2.0, 90.0)
        if self._weather.strikes(self._weather.faults.delete_stuck):
            seconds = self._weather.between(0.5 * HOUR, 2 * HOUR)
        # its machines work on for a part of that time
        works = seconds * self._weather.chance.random()
        self._world.after(works, lambda: self._end_vms(resource))
        self._world.after(seconds, lambda: self._vanish(resource))

    def _end_vms(self, resource: Resource) -> None:
        for vm in resource.vms:
            vm.end("its slice is being deleted")

    def _vanish(self, resource: Resource) -> None:
        if resource.phase is None:
            return
        self._end_vms(resource)
        self._turn(resource, None)
        del self.resources[resource.name]
        self.recent.append(resource)

    def _turn(self, resource: Resource, phase: Phase | None) -> None:
        resource.history.append((self._world.now, phase))
        self._world.tell(f"cloud has {resource.name} {phase or 'no more'}")

    def _show(self, resource: Resource, at: float) -> CloudSlice | None:
        phase = resource.phase_at(at)
        gap = self._weather.faults.list_gap
        resource.is_left_out = not resource.is_left_out and self._weather.strikes(gap)
        if phase is None or resource.is_left_out:
            return None
        if self._weather.strikes(self._weather.faults.unclear):
            phase = Phase.UNCLEAR
        return CloudSlice(
            name=resource.name,
            uid=resource.uid,
            group=resource.group.name,
            zone=resource.zone,
            phase=phase,
            created_at=resource.created_at,
            words=resource.words,
            is_over=phase in (Phase.STOPPED, Phase.PREEMPTED),
        )

    def _await_stockout(self, zone: str) -> None:
        gap = self._weather.gap(self._weather.faults.stockout_gap)
        self._world.after(gap, lambda: self._stock_out(zone))

    def _stock_out(self, zone: str) -> None:
        if self._world.is_quiet:
            return
        length = self._weather.gap(self._weather.faults.stockout_length)
        self._stockouts[zone] = self._world.now + length
        self._world.tell(f"cloud has nothing left in {zone} for {length:.0f} s")
        self._await_stockout(zone)
