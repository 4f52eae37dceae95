"""An autoscaler whose turns, calls and cloud a test plays by hand."""

from __future__ import annotations

from iris.controller.autoscaling import Autoscaling
from iris.domain.fleet import Slice
from tests.support.calls import FakeCalls, FakeCloud
from tests.support.fleet import Fleet


class Cluster:
    """A fleet, its autoscaler, and the cloud under it."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        self.calls = FakeCalls()
        self.cloud = FakeCloud(self.fleet.clock.now)
        self.open()

    def open(self) -> None:
        """A controller that remembers nothing but its State."""
        self.autoscaling = Autoscaling(
            self.fleet.state,
            self.cloud,
            self.calls,
            self.fleet.clock,
            controller_url="http://127.0.0.1:1",
        )

    def turn(self, after: float = 0.0) -> float:
        self.fleet.clock.advance(after)
        return self.autoscaling.autoscale_once()

    def turn_and_answer(self, after: float = 0.0) -> list[str]:
        """One turn, the calls it starts, and a turn that hears their answers."""
        self.turn(after)
        made = self.calls.run()
        self.turn()
        return made

    def slices(self) -> list[Slice]:
        with self.fleet.state.reading() as tables:
            return list(tables.slices.values())

    def slice(self) -> Slice:
        (found,) = self.slices()
        return found
