"""One simulation: some days of work and trouble, then a quiet tail to settle in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iris.domain.seeds import SeedResult
from iris.providers.contract import SliceRequest
from iris.simulation.cloud import SimulatedCloud
from iris.simulation.controller import SimulatedController
from iris.simulation.faults import Faults, Weather, climate_of
from iris.simulation.fleet import ZONES
from iris.simulation.line import Surroundings
from iris.simulation.operator import Operator
from iris.simulation.promises import Promises
from iris.simulation.truth import BrokenPromise, Truth
from iris.simulation.users import Users
from iris.simulation.workers import SimulatedVm
from iris.simulation.world import BEGINNING, DAY, HOUR, World, format_time

TAIL = 36 * HOUR  # the longest back-off of the planning is a day
GIVE_BACK = 3 * HOUR  # all idle slices go within this time
TRACE_SHOWN = 80  # lines of a broken seed's trace


class Simulation:
    """All models of one seed, put together."""

    def __init__(
        self,
        seed: int,
        days: float,
        *,
        faults: Faults | None = None,
        keep_all: bool = False,
    ) -> None:
        self.world = World(seed, keep_all)
        self.truth = Truth()
        self.settled_after = 0.0
        self._days = days
        faults = faults or climate_of(seed)
        cloud_weather = Weather(self.world, faults, "cloud")
        self.cloud = SimulatedCloud(self.world, cloud_weather, self._make_vm)
        self.controller = SimulatedController(
            self.world, Weather(self.world, faults, "controller"), self.cloud
        )
        self.users = Users(self.world, self.truth, self.controller)
        self.operator = Operator(self.world, self.cloud, self.controller)
        self._around = Surroundings(
            self.world,
            Weather(self.world, faults, "workers"),
            self.truth,
            self.controller,
            self.users.fate_of,
        )
        self.promises = Promises(self.world, self.truth, self.cloud, self.controller)

    def run(self) -> None:
        """Raises BrokenPromise."""
        self.cloud.start(ZONES)
        self.controller.start()
        self.controller.begin_trouble()
        self.users.start()
        self.operator.start()
        self._run_until(BEGINNING + self._days * DAY)
        self._settle()

    def _settle(self) -> None:
        """Nothing goes wrong any more: all work ends, all idle slices go."""
        self.users.close()
        self.world.is_quiet = True
        self.world.tell("quiet from here on")
        self.cloud.heal()
        began = self.world.now
        while not self.promises.is_all_over():
            if self.world.now > began + TAIL:
                raise BrokenPromise(f"never ends: {self.promises.what_lives()}")
            self._step()
        self.settled_after = self.world.now - began
        began = self.world.now
        while not self.promises.is_all_given_back():
            if self.world.now > began + GIVE_BACK:
                raise BrokenPromise(f"not given back: {self.promises.what_is_left()}")
            self._step()
        self.promises.check_end()

    def _run_until(self, end: float) -> None:
        while self.world.now < end:
            self._step()

    def _step(self) -> None:
        self.world.step()
        self.promises.check()

    def _make_vm(self, request: SliceRequest, index: int) -> SimulatedVm:
        return SimulatedVm(self._around, request, index)


def _shown(world: World, is_broken: bool, keep_all: bool) -> tuple[str, ...]:
    if keep_all:
        return tuple(world.trace())
    return tuple(world.trace(TRACE_SHOWN)) if is_broken else ()


class _Ear(logging.Handler):
    """What the loops log becomes part of the trace; a bad turn breaks a promise."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.INFO)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage()
        self._world.tell(f"log {words}")
        if record.name == "iris.controller.around":
            raise BrokenPromise(words) from (record.exc_info or (None, None))[1]


@contextmanager
def _listening(world: World) -> Iterator[None]:
    logger, ear = logging.getLogger("iris.controller"), _Ear(world)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(ear)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(ear)
        logger.setLevel(level)
        logger.propagate = propagate


def simulate(
    seed: int,
    days: float,
    *,
    keep_all: bool = False,
    sabotage: Callable[[Simulation], None] = lambda simulation: None,
) -> SeedResult:
    """Run one seed; a broken promise, or any exception, is part of the result.

    `sabotage` is for those who want to see one broken.
    """
    simulation = Simulation(seed, days, keep_all=keep_all)
    sabotage(simulation)
    began = time.process_time()
    broken = ""
    with _listening(simulation.world):
        try:
            simulation.run()
        except Exception as error:
            # a bug anywhere in what is simulated is a broken promise too
            simulation.world.tell(f"BROKEN {error!r}")
            broken = f"{type(error).__name__}: {error}"
    world = simulation.world
    return SeedResult(
        seed=seed,
        days=days,
        is_kept=not broken,
        digest=world.digest(),
        steps=world.steps,
        jobs=len(simulation.truth.accepted),
        attempts=simulation.truth.attempts,
        slices=simulation.cloud.created,
        crashes=simulation.controller.crashes,
        settled_after=simulation.settled_after,
        cpu_seconds=time.process_time() - began,
        broken=broken,
        broken_at=format_time(world.elapsed) if broken else "",
        trace=_shown(world, bool(broken), keep_all),
    )
