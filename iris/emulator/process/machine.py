"""One VM: a folder, its servers, and all processes that carry its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import psutil

from iris.domain.endpoints import Endpoints
from iris.emulator import machine
from iris.emulator.machines import Vm
from iris.emulator.process import booting, scripts
from iris.emulator.process.inside import processes_of
from iris.emulator.process.metadata import MetadataServer
from iris.emulator.process.ssh import Door, SshSide, own_key
from iris.providers._processes import end_all

ENDING = 20.0  # seconds until all processes of a VM are dead


class Around(machine.Around, Protocol):
    """What all VMs of an emulator share."""

    @property
    def ssh(self) -> SshSide: ...
    @property
    def endpoints(self) -> Callable[[], Endpoints]: ...


class Machine(machine.Machine):
    """Its folder is its disk, its root, and the name that its processes carry."""

    def __init__(self, vm: Vm, folder: Path, disks: Path, around: Around) -> None:
        super().__init__(vm, folder, around)
        self._disks = disks
        self._around = around

    def serial(self) -> bytes:
        """The console, as the script runner writes it."""
        return scripts.console_of(self.folder)

    def processes(self) -> list[psutil.Process]:
        """Everything that runs in it."""
        return processes_of({str(self.folder)})

    def _lives(self) -> bool:
        return self._kept.has_booted

    def _start(self) -> None:
        booting.prepare(self.vm, self.folder, self._disks)
        self._serve()
        booting.start_containers(self._environment())
        text = self.vm.attributes.get("startup-script", "")
        scripts.run_at_boot(self.folder, text, self._environment())
        self._kept.say_booted()

    def _serve(self) -> None:
        self.guest.boot()
        if self.guest.may_write:
            kind, key = own_key(self.folder).with_suffix(".pub").read_text().split()[:2]
            self.guest.write_guest("hostkeys", kind, key)
        self._serve_metadata_in_time()
        addresses = tuple(filter(None, (self.vm.internal_ip, self.vm.external_ip)))
        self._around.ssh.open(
            Door(self.vm.id, addresses, self.folder, self._environment(), self._keys)
        )

    def _open_metadata(self) -> MetadataServer:
        return MetadataServer(self.vm.internal_ip, self.guest)

    def _say_goodbye(self) -> None:
        if self.folder.exists():
            text = self.vm.attributes.get("shutdown-script", "")
            scripts.run_at_power_off(self.folder, text, self._environment())

    def _cut(self) -> None:
        end_all(self.processes, self._clock, ENDING)

    def _stop_others(self) -> None:
        self._around.ssh.close(self.vm.id)

    def _remove(self) -> None:
        """Its folder is all that there is."""

    def _environment(self) -> dict[str, str]:
        endpoints = self._around.endpoints()
        return booting.environment_of(self.vm, self.folder, endpoints)

    def _keys(self) -> str:
        own, common = self.vm.attributes, self.vm.project_attributes
        is_alone = own.get("block-project-ssh-keys", "").upper() == "TRUE"
        both = (own,) if is_alone else (common, own)
        return "\n".join(each.get("ssh-keys", "") for each in both)
