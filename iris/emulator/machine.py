"""One VM as every driver has it: asked in order, on a thread of its own."""

from __future__ import annotations

import shutil
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from iris.clock import Clock
from iris.emulator import guest
from iris.emulator.guest import Guest
from iris.emulator.machines import Vm
from iris.emulator.process.kept import Kept
from iris.emulator.process.metadata import MetadataServer
from iris.errors import IrisError


class Around(guest.Around, Protocol):
    """What all VMs of an emulator share."""

    @property
    def clock(self) -> Clock: ...


class Machine(ABC):
    """Everything but how it runs, and who serves it."""

    def __init__(self, vm: Vm, folder: Path, around: Around) -> None:
        self.vm = vm
        self.folder = folder
        self.is_up = False
        self._clock = around.clock
        self._metadata: MetadataServer | None = None
        self._late: threading.Timer | None = None
        self._in_a_hurry = threading.Event()  # nothing is worth a notice any more
        self._work = ThreadPoolExecutor(1, thread_name_prefix=f"vm-{vm.name}")
        self._kept = Kept(folder)
        self.guest = Guest(vm, self._kept, around, self._changed)

    # -- what differs ----------------------------------------------------------------

    @abstractmethod
    def serial(self) -> bytes:
        """Its console, the last MB."""

    @abstractmethod
    def _lives(self) -> bool:
        """Does it run on since a former life of the emulator?"""

    @abstractmethod
    def _start(self) -> None:
        """Make it run, and serve it."""

    @abstractmethod
    def _serve(self) -> None:
        """Serve it, where it runs already."""

    @abstractmethod
    def _open_metadata(self) -> MetadataServer:
        """Its metadata server, which answers from now on."""

    @abstractmethod
    def _say_goodbye(self) -> None:
        """Run its shutdown script; nobody waits for that."""

    @abstractmethod
    def _cut(self) -> None:
        """All that runs in it ends."""

    @abstractmethod
    def _stop_others(self) -> None:
        """Whatever else serves it ends."""

    @abstractmethod
    def _remove(self) -> None:
        """What is left of it beside its folder goes."""

    # -- what is asked ---------------------------------------------------------------

    def boot(self) -> None:
        """Start it, unless it runs."""
        if not self.is_up:
            self.is_up = True
            self._later(self._boot)

    def take_up(self) -> None:
        """After a restart of ours: it lives on where it ran, else it boots."""
        self.is_up = True
        self._later(self._take_up)

    def update(self, vm: Vm) -> None:
        """Its metadata is another."""
        self.vm = vm
        self.guest.update(vm)

    def stop(self, notice: float, preempted: bool) -> None:
        """Power off, `notice` seconds from now."""
        self.is_up = False
        if preempted:
            self.guest.preempt()
        self._later(lambda: self._stop(notice))

    def reset(self) -> None:
        """Cut it and boot it again."""
        self.is_up = True
        self._in_a_hurry.set()
        self._later(lambda: self._stop(0.0))
        self._later(self._boot)

    def kill_processes(self) -> None:
        """All in it dies; it counts as running."""
        self._later(self._cut)

    def delete(self, then: Callable[[], None]) -> None:
        """End it; nothing of it is left."""
        self.is_up = False
        self._in_a_hurry.set()

        def gone() -> None:
            self._stop(0.0)
            self._remove()
            shutil.rmtree(self.folder, ignore_errors=True)
            then()

        self._later(gone)

    def close(self) -> None:
        """Serve no more; what was asked before is done first, without notice."""
        self._in_a_hurry.set()
        self._later(self._stop_serving)
        self._work.shutdown(wait=True)

    # -- what is done ----------------------------------------------------------------

    def _boot(self) -> None:
        self._in_a_hurry.clear()
        self._clock.wait(self._in_a_hurry, self.vm.boot_delay)
        self._start()

    def _take_up(self) -> None:
        if self._lives():
            self._serve()
        else:
            self._cut()
            self._boot()

    def _stop(self, notice: float) -> None:
        if notice:
            self._say_goodbye()
            self._clock.wait(self._in_a_hurry, notice)
        self._kept.say_ended()
        self._cut()
        self._stop_serving()
        self.guest.end()

    def _serve_metadata_in_time(self) -> None:
        """At once, or as late as a fault wants it."""
        if not self.vm.metadata_delay:
            return self._serve_metadata()
        words = self._later, [self._serve_metadata]
        self._late = threading.Timer(self.vm.metadata_delay, *words)
        self._late.daemon = True
        self._late.start()

    def _serve_metadata(self) -> None:
        if self.is_up and self._metadata is None:
            self._metadata = self._open_metadata()

    def _stop_serving(self) -> None:
        if self._late is not None:
            self._late.cancel()
        if self._metadata is not None:
            self._metadata.close()
            self._metadata = None
        self._stop_others()

    def _changed(self) -> None:
        if self._metadata is not None:
            self._metadata.changed()

    def _later(self, action: Callable[[], None]) -> None:
        self._work.submit(self._guarded, action)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (IrisError, OSError) as error:
            with (self.folder.parent / f"{self.vm.id}.trouble").open("a") as file:
                file.write(f"{error!r}\n")
