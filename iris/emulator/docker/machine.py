"""One VM: a container, and what listens for it in its own network."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from iris.clock import Clock
from iris.domain.endpoints import Endpoints
from iris.emulator.docker.engine import Containers, Place
from iris.emulator.docker.inside import listen_inside
from iris.emulator.docker.pulls import ADDRESS as REGISTRY_ADDRESS
from iris.emulator.docker.pulls import PORT as REGISTRY_PORT
from iris.emulator.docker.pulls import Pulls
from iris.emulator.docker.relay import Relays
from iris.emulator.faults import Faults
from iris.emulator.guest import Guest
from iris.emulator.machines import Vm
from iris.emulator.process.kept import Kept
from iris.emulator.process.metadata import MetadataServer
from iris.errors import IrisError
from iris.images.loops import loop_device

METADATA = ("169.254.169.254", 80)
DISK_BYTES = 10 * 1024**3  # of a persistent disk; sparse


class Around(Protocol):
    """What all VMs of an emulator share."""

    clock: Clock
    faults: Faults
    containers: Containers
    relays: Relays
    registry: str
    shared: Path

    @property
    def network_name(self) -> str: ...

    endpoints: Callable[[], Endpoints]
    mint: Callable[[str, tuple[str, ...], str], tuple[str, float]]
    may_pull: Callable[[str], bool]


class DockerMachine:
    """What is asked of it is done in order, on a thread of its own."""

    def __init__(self, vm: Vm, folder: Path, disks: Path, around: Around) -> None:
        self.vm = vm
        self.folder = folder
        self._disks = disks
        self._around = around
        self._metadata: MetadataServer | None = None
        self._pulls: Pulls | None = None
        self._late: threading.Timer | None = None
        self._in_a_hurry = threading.Event()  # nothing is worth a notice any more
        self._work = ThreadPoolExecutor(1, thread_name_prefix=f"vm-{vm.name}")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.guest = Guest(vm, Kept(folder), around, self._changed)
        self.is_up = False

    @property
    def container(self) -> str:
        """The name of its container: another emulator has VMs of the same numbers."""
        return f"{self._around.network_name}-{self.vm.id}"

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
        """All in it dies."""
        self._later(lambda: self._around.containers.kill(self.container))

    def cut_ssh(self) -> int:
        """Cut every SSH connection to it; how many."""
        words = ("pkill", "--count", "--signal", "KILL", "--full", "^sshd: .*[@]")
        said = self._around.containers.execute(self.container, *words)
        return int(said.out.strip() or 0)

    def delete(self, then: Callable[[], None]) -> None:
        """End it, its container and folder go."""
        self.is_up = False
        self._in_a_hurry.set()

        def gone() -> None:
            self._stop_serving()
            self._around.containers.remove(self.container)
            shutil.rmtree(self.folder, ignore_errors=True)
            then()

        self._later(gone)

    def close(self) -> None:
        """Serve no more; what was asked before is done first, without notice."""
        self._in_a_hurry.set()
        self._later(self._stop_serving)
        self._work.shutdown(wait=True)

    def serial(self) -> bytes:
        """Its console."""
        return self._around.containers.console(self.container)

    # -- what is done ----------------------------------------------------------------

    def _boot(self) -> None:
        self._in_a_hurry.clear()
        self._around.clock.wait(self._in_a_hurry, self.vm.boot_delay)
        self.guest.boot()
        self._around.containers.create(self.vm, self._place())
        self._serve(self._around.containers.start(self.container))

    def _take_up(self) -> None:
        pid = self._around.containers.pid(self.container)
        if not pid:
            return self._boot()
        self.guest.boot()
        self._serve(pid)

    def _place(self) -> Place:
        devices = {
            disk.device_name: loop_device(self._disks / disk.id, DISK_BYTES)
            for disk in self.vm.disks
            if not disk.is_boot
        }
        named = {k: v for k, v in self._around.endpoints().variables().items() if v}
        return Place(
            container=self.container,
            network=self._around.network_name,
            folder=str(self.folder.parent.parent),
            shared=str(self._around.shared),
            devices=devices,
            variables=named,
        )

    def _serve(self, pid: int) -> None:
        api = int(self._around.endpoints().compute_url.rpartition(":")[2])
        listener = listen_inside(pid, "127.0.0.1", api)
        self._around.relays.open(self.vm.id, listener, api)
        pulls = listen_inside(pid, REGISTRY_ADDRESS, REGISTRY_PORT)
        self._pulls = Pulls(
            pulls, self._around.registry, self._around.may_pull, self.guest.pulled
        )
        metadata = listen_inside(pid, *METADATA)
        if self.vm.metadata_delay:
            self._late = threading.Timer(
                self.vm.metadata_delay, self._serve_metadata, [metadata]
            )
            self._late.daemon = True
            self._late.start()
        else:
            self._serve_metadata(metadata)

    def _serve_metadata(self, listener: Any) -> None:
        self._metadata = MetadataServer(METADATA[0], self.guest, listener)

    def _stop_serving(self) -> None:
        if self._late is not None:
            self._late.cancel()
        self._around.relays.close(self.vm.id)
        for server in (self._metadata, self._pulls):
            if server is not None:
                server.close()
        self._metadata = self._pulls = None

    def _stop(self, notice: float) -> None:
        if notice:
            self._run_shutdown_script()
            self._around.clock.wait(self._in_a_hurry, notice)
        self._around.containers.kill(self.container)
        self._stop_serving()
        self.guest.end()

    def _run_shutdown_script(self) -> None:
        text = self.vm.attributes.get("shutdown-script", "")
        if text:
            words = ("sh", "-c", f"exec >/proc/1/fd/1 2>&1; {text}")
            self._around.containers.execute(self.container, *words)

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
