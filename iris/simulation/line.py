"""What all VMs share: the way to the controller, and the world around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from iris.domain.protocol import Heartbeat, HeartbeatAnswer, Registered, Registration
from iris.simulation.faults import Weather
from iris.simulation.runs import FateOf
from iris.simulation.truth import Truth
from iris.simulation.world import World


class Line(Protocol):
    """The way to the controller. Raises Unreachable while nobody answers."""

    def register(self, registration: Registration, token_hash: str) -> Registered: ...

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer: ...

    def learn(self, worker_uid: str, beat_now: Callable[[], None]) -> None:
        """From now on nudges for the worker go there."""


class Surroundings:
    """What all VMs share."""

    def __init__(
        self, world: World, weather: Weather, truth: Truth, line: Line, fate_of: FateOf
    ) -> None:
        self.world = world
        self.weather = weather
        self.truth = truth
        self.line = line
        self.fate_of = fate_of
