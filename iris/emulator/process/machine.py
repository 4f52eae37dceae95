"""One VM: a folder, its servers, and all processes that carry its name."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import psutil

from iris.clock import Clock
from iris.domain.endpoints import Endpoints
from iris.emulator.faults import Faults
from iris.emulator.guest import Guest
from iris.emulator.machines import Vm
from iris.emulator.process import booting, scripts
from iris.emulator.process.inside import processes_of
from iris.emulator.process.kept import Kept
from iris.emulator.process.metadata import MetadataServer
from iris.emulator.process.ssh import Door, SshSide, own_key
from iris.errors import IrisError
from iris.providers._processes import end_all

ENDING = 20.0  # seconds until all processes of a VM are dead


class Around(Protocol):
    """What all VMs of an emulator share."""

    @property
    def clock(self) -> Clock: ...
    @property
    def faults(self) -> Faults: ...
    @property
    def ssh(self) -> SshSide: ...
    @property
    def endpoints(self) -> Callable[[], Endpoints]: ...
    @property
    def mint(self) -> Callable[[str, tuple[str, ...], str], tuple[str, float]]: ...


class Machine:
    """One VM; what is asked of it is done in order, on a thread of its own."""

    def __init__(self, vm: Vm, folder: Path, disks: Path, around: Around) -> None:
        self.vm = vm
        self.folder = folder
        self._disks = disks
        self._around = around
        self._metadata: MetadataServer | None = None
        self._work = ThreadPoolExecutor(1, thread_name_prefix=f"vm-{vm.name}")
        self._kept = Kept(folder)
        self.guest = Guest(vm, self._kept, around, self._changed)
        self._late: threading.Timer | None = None
        self._in_a_hurry = threading.Event()  # nothing is worth a notice any more
        self.is_up = False

    # -- what is asked ---------------------------------------------------------------

    def boot(self) -> None:
        """Start it, unless it runs."""
        if not self.is_up:
            self.is_up = True
            self._work.submit(self._guarded, self._boot)

    def take_up(self) -> None:
        """After a restart of ours: it lives on where it ran, else it boots."""
        if self._kept.has_booted:
            self.is_up = True
            self._work.submit(self._guarded, self._serve)
        else:
            self._work.submit(self._guarded, self._end_processes)
            self.boot()

    def update(self, vm: Vm) -> None:
        """Its metadata is another."""
        self.vm = vm
        self.guest.update(vm)

    def stop(self, notice: float, preempted: bool) -> None:
        """Power off, `notice` seconds from now."""
        self.is_up = False
        if preempted:
            self.guest.preempt()
        self._work.submit(self._guarded, self._stop, notice)

    def reset(self) -> None:
        """Cut it and boot it again."""
        self.is_up = True
        self._in_a_hurry.set()
        self._work.submit(self._guarded, self._stop, 0.0)
        self._work.submit(self._guarded, self._boot)

    def kill_processes(self) -> None:
        """All in it dies."""
        self._work.submit(self._guarded, self._end_processes)

    def delete(self, then: Callable[[], None]) -> None:
        """End it, its folder goes."""
        self.is_up = False
        self._in_a_hurry.set()

        def gone() -> None:
            self._stop(0.0)
            shutil.rmtree(self.folder, ignore_errors=True)
            then()

        self._work.submit(self._guarded, gone)

    def close(self) -> None:
        """Serve no more; what was asked before is done first, without notice."""
        self._in_a_hurry.set()
        self._work.submit(self._guarded, self._stop_serving)
        self._work.shutdown(wait=True)

    # -- what is looked at -----------------------------------------------------------

    def serial(self) -> bytes:
        """The console, as the script runner writes it."""
        return scripts.console_of(self.folder)

    def processes(self) -> list[psutil.Process]:
        """Everything that runs in it."""
        return processes_of({str(self.folder)})

    # -- what is done ----------------------------------------------------------------

    def _boot(self) -> None:
        self._in_a_hurry.clear()
        self._around.clock.wait(self._in_a_hurry, self.vm.boot_delay)
        booting.prepare(self.vm, self.folder, self._disks)
        self._serve()
        booting.start_containers(self._environment())
        text = self.vm.attributes.get("startup-script", "")
        scripts.run_at_boot(self.folder, text, self._environment())
        self._kept.say_booted()

    def _environment(self) -> dict[str, str]:
        endpoints = self._around.endpoints()
        return booting.environment_of(self.vm, self.folder, endpoints)

    def _serve(self) -> None:
        self.guest.boot()
        if self.guest.may_write:
            kind, key = own_key(self.folder).with_suffix(".pub").read_text().split()[:2]
            self.guest.write_guest("hostkeys", kind, key)
        late = self.vm.metadata_delay
        if late:
            self._late = threading.Timer(late, self._serve_metadata)
            self._late.daemon = True
            self._late.start()
        else:
            self._serve_metadata()
        addresses = tuple(filter(None, (self.vm.internal_ip, self.vm.external_ip)))
        self._around.ssh.open(
            Door(self.vm.id, addresses, self.folder, self._environment(), self._keys)
        )

    def _serve_metadata(self) -> None:
        if self._metadata is None:
            self._metadata = MetadataServer(self.vm.internal_ip, self.guest)

    def _stop_serving(self) -> None:
        self._around.ssh.close(self.vm.id)
        if self._late is not None:
            self._late.cancel()
        if self._metadata is not None:
            self._metadata.close()
            self._metadata = None

    def _stop(self, notice: float) -> None:
        if notice and self.folder.exists():
            text = self.vm.attributes.get("shutdown-script", "")
            scripts.run_at_power_off(self.folder, text, self._environment())
            self._around.clock.wait(self._in_a_hurry, notice)
        self._kept.say_ended()
        self._end_processes()
        self._stop_serving()
        self.guest.end()

    def _end_processes(self) -> None:
        end_all(self.processes, self._around.clock, ENDING)

    def _keys(self) -> str:
        own, common = self.vm.attributes, self.vm.project_attributes
        is_alone = own.get("block-project-ssh-keys", "").upper() == "TRUE"
        both = (own,) if is_alone else (common, own)
        return "\n".join(each.get("ssh-keys", "") for each in both)

    def _changed(self) -> None:
        if self._metadata is not None:
            self._metadata.changed()

    def _guarded(self, action: Callable[..., None], *words: Any) -> None:
        try:
            action(*words)
        except (IrisError, OSError, TimeoutError) as error:
            with (self.folder.parent / f"{self.vm.id}.trouble").open("a") as file:
                file.write(f"{action.__name__}: {error!r}\n")
