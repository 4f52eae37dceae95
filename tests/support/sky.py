"""A cloud of which a test says what is there, what fails, and when."""

from __future__ import annotations

import threading

from iris.clock import VirtualClock
from iris.errors import Unavailable
from iris.providers.contract import ControllerMachine, HalfListed, Leftover, Listing


class HastyClock(VirtualClock):
    """Whoever waits on it has waited already."""

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        self.advance(timeout or 0.0)
        return event.is_set()


class Sky:
    """A cloud whose list is a list, and whose deletions may fail."""

    def __init__(self, *leftovers, refuses=(), breaks_at=99):
        self.left = list(leftovers)
        self.refuses = refuses
        self.lists_until = breaks_at
        self.faults = []  # the next deletions raise these
        self.closed = {}  # zone -> why it cannot be listed
        self.lag = 0.0
        self.machines: tuple[ControllerMachine, ...] = ()
        self.answers = True  # does the cloud's API?
        self.on_delete = lambda leftover: None

    def load(self, _config, uid, _clock, _surroundings):
        return View(self, uid)


class View:
    """That cloud as one uid sees it."""

    def __init__(self, sky, uid):
        self.sky, self.uid = sky, uid

    def list_leftovers(self):
        self.sky.lists_until -= 1
        if self.sky.lists_until < 0:
            raise Unavailable("the backend is over capacity")
        found = tuple(e for e in self.sky.left if self.uid in ("", e.cluster_uid))
        if self.sky.closed:
            seen = tuple(e for e in found if e.zone not in self.sky.closed)
            raise HalfListed.of(seen, self.sky.closed)
        return found

    def list_slices(self):
        return Listing(0.0, (), lag=self.sky.lag)

    def list_controllers(self):
        if not self.sky.answers:
            raise Unavailable("no route to the cloud")
        return self.sky.machines

    def delete_leftover(self, leftover):
        if leftover.name in self.sky.refuses:
            raise Unavailable(f"{leftover.name} does not go")
        if self.sky.faults:
            raise self.sky.faults.pop(0)
        self.sky.left.remove(leftover)
        self.sky.on_delete(leftover)


def a_leftover(kind, name, uid="c-1", zone="europe-west4-b", price=None):
    """Something that exists; only what matters is said."""
    return Leftover(kind, name, uid, zone, 1.0, price=price)
