"""Cloud calls in virtual time: they take a while, and may answer too late."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from iris.controller.autoscaling import LISTING
from iris.controller.calls import Outcome
from iris.errors import CloudError, Unknown
from iris.simulation.faults import Weather
from iris.simulation.world import World


class _Call(msgspec.Struct, eq=False):
    key: str
    run: Callable[[], object]
    until: float


class SimulatedCalls:
    """The calls of one life of the controller; after its end nobody hears them."""

    def __init__(
        self,
        world: World,
        weather: Weather,
        wake: Callable[[], None],
        fuse: Callable[[str], None],
    ) -> None:
        self._world = world
        self._weather = weather
        self._wake = wake
        self._fuse = fuse  # may raise, to let the controller crash right there
        self._under_way: dict[str, _Call] = {}
        self._ended: list[Outcome] = []
        self._is_dead = False

    def start(self, key: str, call: Callable[[], object], deadline: float) -> bool:
        if key in self._under_way:
            return False
        if key != LISTING:
            self._fuse(f"before the call {key}")
        made = _Call(key, call, self._world.now + deadline)
        self._under_way[key] = made
        is_late = self._weather.strikes(self._weather.faults.answer_late)
        reach = self._weather.between(0.01, 1.0)
        back = self._weather.between(0.01, 1.0)
        if is_late:
            reach = self._weather.between(0.01, 1.5 * deadline)
            back = 2 * deadline
        self._world.after(reach, lambda: self._reach(made, back))
        self._world.at(made.until, lambda: self._expire(made))
        if key != LISTING:
            self._fuse(f"after the call {key}")
        return True

    def take(self) -> list[Outcome]:
        ended, self._ended = self._ended, []
        return ended

    def is_under_way(self, key: str) -> bool:
        return key in self._under_way

    def next_deadline(self) -> float:
        return min((call.until for call in self._under_way.values()), default=0.0)

    def die(self) -> None:
        """The controller crashed: requests on their way still arrive, or not."""
        self._is_dead = True

    def _reach(self, call: _Call, back: float) -> None:
        """The request arrives at the cloud."""
        if self._is_dead and self._weather.strikes(0.5):
            return
        try:
            outcome = Outcome(call.key, call.run())
        except CloudError as error:
            outcome = Outcome(call.key, error=error)
        self._world.after(back, lambda: self._answer(call, outcome))

    def _answer(self, call: _Call, outcome: Outcome) -> None:
        if self._is_dead or self._under_way.get(call.key) is not call:
            return
        del self._under_way[call.key]
        self._ended.append(outcome)
        self._wake()

    def _expire(self, call: _Call) -> None:
        late = Unknown(f"no answer to {call.key!r} before its deadline")
        self._answer(call, Outcome(call.key, error=late))
