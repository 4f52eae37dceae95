"""The operator: drains a worker or the cluster, and confirms what is gone."""

from __future__ import annotations

from iris.errors import IrisError
from iris.simulation.cloud import SimulatedCloud
from iris.simulation.desk import Desk
from iris.simulation.world import HOUR, MINUTE, World

DRAIN_GAP = 6 * HOUR  # between two drains of a worker
PAUSE_SHARE = 0.15  # of drains, those of the whole cluster
PAUSE = 20 * MINUTE
ROUND = 30 * MINUTE  # between two looks at stuck deletions


class Operator:
    """Makes no mistakes: confirms only what really does no work any more."""

    def __init__(self, world: World, cloud: SimulatedCloud, desk: Desk) -> None:
        self._world = world
        self._cloud = cloud
        self._desk = desk
        self._chance = world.chance("operator")

    def start(self) -> None:
        self._await_drain()
        self._world.after(ROUND, self._go_round)

    def _await_drain(self) -> None:
        self._world.after(self._chance.expovariate(1.0 / DRAIN_GAP), self._drain)

    def _drain(self) -> None:
        if self._world.is_quiet:
            return
        try:
            if self._chance.random() < PAUSE_SHARE:
                self._world.tell("operator drains the cluster")
                # in any case: a drain may be done though its answer was lost
                self._world.after(PAUSE, self._resume)
                self._desk.drain_cluster("the operator")
            else:
                drained = self._desk.drain_some_worker(self._chance)
                self._world.tell(f"operator drains {drained or 'nothing'}")
        except IrisError as error:
            self._world.tell(f"operator is told: {error}")
        self._await_drain()

    def _resume(self) -> None:
        try:
            self._desk.resume_cluster("the operator")
        except IrisError:
            self._world.after(MINUTE, self._resume)

    def _go_round(self) -> None:
        self._world.after(ROUND, self._go_round)
        try:
            for name in self._desk.stuck_slices():
                resource = self._cloud.resources.get(name)
                if resource is None or not any(vm.is_on for vm in resource.vms):
                    self._world.tell(f"operator confirms that {name} is gone")
                    self._desk.confirm_gone(name, "the operator")
        except IrisError as error:
            self._world.tell(f"operator is told: {error}")
