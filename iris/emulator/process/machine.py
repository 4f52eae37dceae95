"""One VM: a folder, its servers, and all processes that carry its name."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import psutil
from msgspec.structs import replace

from iris.clock import Clock
from iris.domain.endpoints import Endpoints
from iris.emulator.faults import FaultKind, Faults
from iris.emulator.machines import Vm
from iris.emulator.process import booting, scripts
from iris.emulator.process.inside import processes_of
from iris.emulator.process.kept import Kept
from iris.emulator.process.metadata import MetadataServer
from iris.emulator.process.ssh import Door, SshSide, own_key
from iris.emulator.process.tree import Shown, Tree, tree_of
from iris.errors import IrisError
from iris.providers._processes import end_all

ENDING = 20.0  # seconds until all processes of a VM are dead
_PULLS = {
    FaultKind.PULL_DENIED: "pull access denied: Permission "
    '"artifactregistry.repositories.downloadArtifacts" denied on resource',
    FaultKind.PULL_FAILS: "received unexpected HTTP status: 503 Service Unavailable",
}


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
        self._shown = Shown()
        self._metadata: MetadataServer | None = None
        self._work = ThreadPoolExecutor(1, thread_name_prefix=f"vm-{vm.name}")
        self._kept = Kept(folder)
        self._late: threading.Timer | None = None
        self._in_a_hurry = threading.Event()  # nothing is worth a notice any more
        self._guard = threading.Lock()
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
        self._changed()

    def stop(self, notice: float, preempted: bool) -> None:
        """Power off, `notice` seconds from now."""
        self.is_up = False
        if preempted:
            self._show(replace(self._shown, preempted=True))
        self._work.submit(self._guarded, self._stop, notice)

    def reset(self) -> None:
        """Cut it and boot it again."""
        self.is_up = True
        self._in_a_hurry.set()
        self._work.submit(self._guarded, self._stop, 0.0)
        self._work.submit(self._guarded, self._boot)

    def maintain(self, event: str) -> None:
        """Show it."""
        self._show(replace(self._shown, maintenance_event=event))

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

    def guest(self) -> dict[str, dict[str, str]]:
        """What the guest wrote."""
        return {space: dict(of) for space, of in self._shown.guest.items()}

    def processes(self) -> list[psutil.Process]:
        """Everything that runs in it."""
        return processes_of({str(self.folder)})

    # -- what is done ----------------------------------------------------------------

    def _boot(self) -> None:
        self._in_a_hurry.clear()
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
        self._shown = Shown(guest=self._kept.guest())
        if self.vm.attributes.get("enable-guest-attributes", "").upper() == "TRUE":
            kind, key = own_key(self.folder).with_suffix(".pub").read_text().split()[:2]
            self.write_guest("hostkeys", kind, key)
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
            self._metadata = MetadataServer(self.vm.internal_ip, self)

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

    def _end_processes(self) -> None:
        end_all(self.processes, self._around.clock, ENDING)

    # -- what its metadata server asks -----------------------------------------------

    def tree(self) -> Tree:
        """As it is by now."""
        return tree_of(self.vm, self._shown)

    def write_guest(self, space: str, key: str, value: str) -> bool:
        """Keep a guest attribute, where the VM may have some."""
        if self.vm.attributes.get("enable-guest-attributes", "").upper() != "TRUE":
            return False
        with self._guard:
            guest = self.guest()
            guest.setdefault(space, {})[key] = value
            self._kept.keep_guest(guest)
            self._shown = replace(self._shown, guest=guest)
        self._changed()
        return True

    def minted(self, scopes: tuple[str, ...]) -> dict[str, Any] | None:
        """A token of its service account, None where it has none."""
        if not self.vm.service_account:
            return None
        allowed = tuple(s for s in scopes if s in self.vm.scopes) or self.vm.scopes
        token, life = self._around.mint(
            self.vm.service_account, allowed, self.vm.project
        )
        return {
            "access_token": token,
            "expires_in": int(life),
            "token_type": "Bearer",
        }

    def is_away(self) -> bool:
        """Is the metadata server unavailable just now?"""
        kind = FaultKind.METADATA_UNAVAILABLE
        return self._take(kind, api="metadata") is not None

    def pulled(self, image: str) -> str:
        """Why an image cannot be pulled, empty if it can."""
        fault = self._take(*_PULLS, api="docker")
        return f"{_PULLS[fault]} {image}" if fault else ""

    def _take(self, *kinds: FaultKind, api: str) -> FaultKind | None:
        fault = self._around.faults.take(
            *kinds,
            api=api,
            zone=self.vm.zone,
            type=self.vm.machine_type,
            name=self.vm.name,
        )
        return fault.kind if fault else None

    def _keys(self) -> str:
        own, common = self.vm.attributes, self.vm.project_attributes
        is_alone = own.get("block-project-ssh-keys", "").upper() == "TRUE"
        both = (own,) if is_alone else (common, own)
        return "\n".join(each.get("ssh-keys", "") for each in both)

    def _show(self, shown: Shown) -> None:
        with self._guard:
            self._shown = shown
        self._changed()

    def _changed(self) -> None:
        if self._metadata is not None:
            self._metadata.changed()

    def _guarded(self, action: Callable[..., None], *words: Any) -> None:
        try:
            action(*words)
        except (IrisError, OSError, TimeoutError) as error:
            with (self.folder.parent / f"{self.vm.id}.trouble").open("a") as file:
                file.write(f"{action.__name__}: {error!r}\n")
