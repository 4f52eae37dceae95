"""How SSH gets from here to a cluster's machines: keys, pins, ways, the tunnel."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from iris.client import records
from iris.client.records import Record
from iris.clock import Clock
from iris.config import ClusterConfig
from iris.config.cloud import Via
from iris.errors import NotFound
from iris.paths import bootstrap_folder
from iris.providers.contract import ControllerMachine
from iris.remote import keys
from iris.remote.target import Destination, Target

if TYPE_CHECKING:
    from iris.domain.views import WorkerView
    from iris.remote.tunnel import Tunnel

READ_TIMEOUT = 60.0  # seconds for a file of the controller's machine
PINS = "known_hosts"
_IAP = (
    "gcloud compute start-iap-tunnel {name} %p --listen-on-stdin "
    "--zone {zone} --project {project} --verbosity=error --quiet"
)
_AS_ROOT = 'if [ "$(id -u)" = 0 ]; then {0}; else sudo -n {0}; fi'


class Reach(msgspec.Struct, frozen=True):
    """The SSH side of one cluster, as this person's machine has it."""

    config: ClusterConfig
    record: Record | None
    clock: Clock

    @property
    def folder(self) -> Path:
        """Where key, pins and the tunnel's socket lie."""
        return records.record_folder(self.config.name)

    @property
    def has_ssh(self) -> bool:
        """Are the cluster's machines elsewhere than here?"""
        return self.config.provider.gcp is not None

    @property
    def tunnel(self) -> Tunnel:
        """The tunnel that all commands share, be it there or not."""
        from iris.remote.tunnel import Tunnel

        return Tunnel(self.folder, self.clock)

    def ensure_key(self) -> None:
        """Make the cluster's key where there is none."""
        if self.has_ssh:
            keys.ensure_key(self.folder, self.config.ssh)

    def authorized_keys(self) -> str:
        """What new VMs are told, so that they let this person in."""
        if not self.has_ssh:
            return ""
        return keys.authorized_line(self.folder, self.config.ssh)

    def url(self, machine: ControllerMachine) -> str:
        """Where the machine's controller answers. Raises Unreachable, NotAllowed."""
        if not machine.ssh_address:
            return f"http://{machine.address}"
        return self.tunnel.lead_to(self.destination(machine)).url

    def destination(self, machine: ControllerMachine) -> Destination:
        """Its controller, and the SSH that leads there."""
        address, _, port = machine.address.rpartition(":")
        return Destination(
            target=self.target(machine),
            address=address or "127.0.0.1",
            port=int(port or self.config.controller.port),
            cluster=self.config.name,
            cluster_uid=machine.cluster_uid,
        )

    def target(self, machine: ControllerMachine) -> Target:
        """The SSH of a controller's machine."""
        # one made anew has the old one's name and another key: it is another machine
        made = self._target(
            f"{machine.name}.{machine.created_at:.3f}", machine.ssh_address
        )
        return msgspec.structs.replace(
            made,
            identity=machine.ssh_identity,
            proxy_command=self._proxy_command(machine),
        )

    def worker(self, worker: WorkerView) -> Target:
        """The SSH of a worker's VM: from the controller's, so no external address."""
        address = worker.address.rpartition(":")[0] or worker.address
        return self.vm(worker_name(worker), address)

    def vm(self, name: str, address: str) -> Target:
        """The SSH of a VM inside, whose key is pinned under a name."""
        made = self._target(name, address)
        if self.record is not None and self.record.proxy_command:
            # a rehearsal's way gets to every VM of this machine
            way = self.record.proxy_command
            return msgspec.structs.replace(made, proxy_command=way)
        return msgspec.structs.replace(made, through=str(self.folder))

    def read(self, machine: ControllerMachine, name: str) -> bytes:
        """A file of the controller's machine. Raises NotFound, Unreachable."""
        script = (bootstrap_folder() / "show.sh").read_text()
        command = as_root("sh", "-c", script, "show", name)
        ran = self.tunnel.run(self.destination(machine), command, READ_TIMEOUT)
        if ran.exit_status != 0:
            words = " ".join(ran.err.decode(errors="replace").split()[-40:])
            raise NotFound(f"{name} on {machine.name}: {words or 'is not there yet'}")
        return ran.out

    def _target(self, name: str, address: str) -> Target:
        ssh = self.config.ssh
        return Target(
            name=name,
            address=address,
            port=ssh.port,
            user=ssh.user,
            key=str(keys.key_file(self.folder, ssh)),
            pins=str(self.folder / PINS),
            loopback_only=self._is_rehearsal,
        )

    def _proxy_command(self, machine: ControllerMachine) -> str:
        ssh, gcp = self.config.ssh, self.config.provider.gcp
        if self.record is not None and self.record.proxy_command:
            return self.record.proxy_command
        if self._is_rehearsal:
            return ""  # the file's ways lead out of this machine
        if ssh.proxy_command:
            return ssh.proxy_command
        if ssh.via is Via.IAP and gcp is not None:
            names = {"name": machine.name, "zone": machine.zone, "project": gcp.project}
            return _IAP.format(**names)
        return ""

    @property
    def _is_rehearsal(self) -> bool:
        record = self.record
        return record is not None and (
            record.rehearsal or record.endpoints.are_of_this_machine
        )


def as_root(*words: str) -> str:
    """Words as a command for another machine's shell, run there as root."""
    return _AS_ROOT.format(shlex.join(words))


def worker_name(worker: WorkerView) -> str:
    """Under which a worker's SSH key is pinned: a VM made anew has another uid."""
    return f"{worker.slice_name}-{worker.index}.{worker.uid}"
