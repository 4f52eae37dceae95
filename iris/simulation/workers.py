"""A model of a VM: it boots, registers its worker, and has its troubles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from iris.controller.change import hash_token
from iris.domain.protocol import AttemptSpec, Registration
from iris.errors import Conflict, IrisError, NotAuthenticated
from iris.providers.contract import SliceRequest
from iris.simulation.agents import SimulatedAgent
from iris.simulation.line import Surroundings
from iris.simulation.world import HOUR, MINUTE


class SimulatedVm:
    """One VM of a slice, from its boot to its end."""

    def __init__(self, around: Surroundings, request: SliceRequest, index: int) -> None:
        self.siblings: list[SimulatedVm] = []  # the VMs of its slice
        self.when_broken: Callable[[str], None] = lambda words: None
        self.name = f"{request.name}/{index}"
        self.agent = SimulatedAgent(
            around, self.name, request.group.resources, self._break_gang
        )
        self._around = around
        self._world, self._weather = around.world, around.weather
        self._request = request
        self._index = index
        self._boots = 0

    @property
    def is_on(self) -> bool:
        """Does anything run on it?"""
        return self.agent.is_on

    def boot(self) -> None:
        """Bring the VM up; some never get as far as a first word."""
        if self._weather.strikes(self._weather.faults.boot_fails):
            self._world.tell(f"vm {self.name} never boots")
            return
        seconds = self._weather.between(10.0, 2 * MINUTE)
        self._start_anew()
        self._world.after(seconds, self._register)
        self._await_trouble()

    def end(self, because: str) -> None:
        """The machine is off, and everything on it."""
        if not self.agent.is_on:
            return
        self.agent.is_on = False
        self._world.tell(f"vm {self.name} ends: {because}")
        self.agent.end_all_runs()

    # -- first words ---------------------------------------------------------------

    def _register(self) -> None:
        if not self.agent.is_on:
            return
        registration = Registration(
            slice_name=self._request.name,
            slice_uid=self._request.uid,
            index=self._index,
            boot_id=self.agent.boot_id,
            address=f"10.0.0.{self._index}",
            version="simulated",
        )
        token = hash_token(self._request.join_tokens[self._index])
        try:
            registered = self._around.line.register(registration, token)
        except (NotAuthenticated, Conflict) as error:
            self._world.tell(f"vm {self.name} is turned away: {error}")
            return
        except IrisError:
            self._world.after(5.0, self._register)
            return
        if self._weather.strikes(self._weather.faults.message_lost):
            self._world.after(5.0, self._register)  # the answer was lost
            return
        self.agent.join(registered)

    def _start_anew(self) -> None:
        self._boots += 1
        self.agent.boot_id = f"{self._request.uid}-{self._index}-{self._boots}"

    # -- trouble -----------------------------------------------------------------------

    def _break_gang(self, spec: AttemptSpec) -> None:
        """Siblings notice that a member is gone, and exit 1 within seconds."""
        if not spec.gang:
            return
        for vm in self.siblings:
            if vm is not self:
                seconds = self._weather.between(1.0, 10.0)
                self._world.after(seconds, partial(vm.agent.lose_sibling, spec))

    def _await_trouble(self) -> None:
        gap = self._weather.gap(self._weather.faults.trouble_gap)
        self._world.after(gap, self._have_trouble)

    def _have_trouble(self) -> None:
        if not self.agent.is_on or self._world.is_quiet:
            return
        trouble = self._weather.chance.choice(TROUBLES)
        self._world.tell(f"vm {self.name} {trouble.__name__.strip('_')}")
        trouble(self)
        self._await_trouble()

    def _dies(self) -> None:
        self.end("it broke")
        self.when_broken("the VM stopped")

    def _loses_its_keeper(self) -> None:
        """With the keeper go the attempts; nothing of ours is left on the VM."""
        self.end("its keeper died")
        self.when_broken("the keeper is dead")

    def _reboots(self) -> None:
        self.agent.end_all_runs()
        self._start_anew()
        self.agent.stay_away(self._weather.between(20.0, 3 * MINUTE))

    def _restarts_its_agent(self) -> None:
        self.agent.stay_away(self._weather.between(0.5, 5.0))

    def _freezes(self) -> None:
        self.agent.stay_away(self._weather.between(5.0, 0.5 * HOUR))

    def _is_cut_off(self) -> None:
        self.agent.stay_away(self._weather.between(5.0, 2 * HOUR))

    def _is_told_to_go(self) -> None:
        seconds = self._weather.between(MINUTE, 10 * MINUTE)
        self.agent.take_notice("maintenance begins soon", seconds - 5.0)
        self._world.after(seconds, self._goes)

    def _has_its_container_started_anew(self) -> None:
        self.agent.wind_up()
        self._world.after(self._weather.between(0.5, 8.0), self._begins_anew)

    def _begins_anew(self) -> None:
        if self.agent.is_on:
            self._reboots()
            self.agent.is_ending = False

    def _goes(self) -> None:
        self.end("its time has come")
        self.when_broken("the VM was stopped for maintenance")


TROUBLES: Sequence[Callable[[SimulatedVm], None]] = (
    SimulatedVm._dies,
    SimulatedVm._loses_its_keeper,
    SimulatedVm._reboots,
    SimulatedVm._restarts_its_agent,
    SimulatedVm._freezes,
    SimulatedVm._is_cut_off,
    SimulatedVm._is_told_to_go,
    SimulatedVm._has_its_container_started_anew,
)
