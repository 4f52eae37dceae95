"""When the controller's loops turn, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from iris.simulation.truth import BrokenPromise
from iris.simulation.world import World

SHORTEST_REST = 0.01  # seconds between two turns of a loop
MOST_TURNS = 60  # of one loop in a row within one second: it spins


class Turning(Protocol):
    """Whose loops they are."""

    @property
    def life(self) -> int:
        """How often it was started; the loops of a former life turn no more."""

    def turn(self, once: Callable[[], float]) -> float | None:
        """One turn; None if the controller died in it."""


class VirtualLoop:
    """When one loop turns next; a sooner time replaces a later one."""

    def __init__(
        self, controller: Turning, world: World, name: str, once: Callable[[], float]
    ) -> None:
        self._controller = controller
        self._world = world
        self._name = name
        self._once = once
        self._life = controller.life
        self._due_at = float("inf")
        self._second = 0.0  # the second in which the turns below were
        self._turns = 0

    def due(self, at: float) -> None:
        if at < self._due_at:
            self._due_at = at
            self._world.at(at, lambda: self._turn(at))

    def _turn(self, at: float) -> None:
        if at != self._due_at or self._life != self._controller.life:
            return
        self._due_at = float("inf")
        self._count()
        next_at = self._controller.turn(self._once)
        if next_at:
            self.due(max(next_at, self._world.now + SHORTEST_REST))

    def _count(self) -> None:
        self._turns += 1
        if self._world.now - self._second >= 1.0:
            self._second, self._turns = self._world.now, 0
        if self._turns > MOST_TURNS:
            raise BrokenPromise(f"the {self._name} turns without end")
