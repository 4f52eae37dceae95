"""The controller's VM and its state disk; by fixed names the cloud is the lock."""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import replace

from iris.bootstrapping import controller_attributes
from iris.config import ClusterConfig
from iris.errors import AlreadyExists, CloudError, NotFound, Rejected, Unavailable
from iris.providers.contract import (
    ControllerMachine,
    ControllerRequest,
    Phase,
    Surroundings,
)
from iris.providers.gcp import vms
from iris.providers.gcp.compute import Compute, Json, last
from iris.providers.gcp.labels import (
    CLUSTER,
    CONTROLLER_ROLE,
    ROLE,
    STATE_ROLE,
    UID,
    is_of,
    labels_of,
    seconds_of,
)

DEVICE = "iris-state"  # /dev/disk/by-id/google-iris-state on the VM
INSERT, DELETE = 180.0, 300.0  # seconds for an operation to be done
FILES = ("operator.token", "controller.log")  # those that may be read


class Controllers:
    """The controller of one cluster, or of all clusters of its name."""

    def __init__(
        self, config: ClusterConfig, uid: str, zone: str, compute: Compute
    ) -> None:
        self._config = config
        self._uid = uid
        self._zone = zone
        self._compute = compute
        self.name = f"{config.name}-controller"
        self.disk_name = f"{config.name}-state"

    def create(
        self, request: ControllerRequest, around: Surroundings
    ) -> ControllerMachine:
        """Make it on its disk. Raises AlreadyExists; Rejected for another's disk."""
        standing = self._compute.find(self._path)
        if standing is not None:
            self._start_again(standing, request)
        else:
            uid = self._own_disk(request)
            made = self._insert(request, uid, around)
            self._compute.wait(self._zone, made, INSERT)
        return self._machine(self._compute.get(self._path))

    def delete(self) -> None:
        """End the VM and see it gone, never its disk; absence is success."""
        for vm in self.listed()[0]:
            self.delete_one(f"/zones/{last(vm['zone'])}/instances/{vm['name']}")

    def delete_one(self, path: str) -> None:
        """End a VM or a disk and return once it is gone; a namesake's stays."""
        found = self._compute.find(path)
        labels = (found or {}).get("labels", {})
        if not is_of(labels, self._config.name, self._uid):
            return  # gone, and its name taken by another meanwhile
        done = self._compute.delete(path)
        self._compute.wait(path.split("/")[2], done, DELETE)

    def listed(self) -> tuple[list[Json], dict[str, str]]:
        """The VMs of controllers that are ours, and zones that could not be listed."""
        return self._of_role("instances", CONTROLLER_ROLE)

    def disks(self) -> tuple[list[Json], dict[str, str]]:
        """The state disks that are ours."""
        return self._of_role("disks", STATE_ROLE)

    def machines(self) -> tuple[ControllerMachine, ...]:
        """Every controller of the name, whatever its uid."""
        found, unlisted = self._of_role("instances", CONTROLLER_ROLE, of_all=True)
        if unlisted and not found:
            words = "; ".join(f"{zone}: {why}" for zone, why in unlisted.items())
            raise Unavailable(f"not every zone could be listed: {words}")
        return tuple(self._machine(vm) for vm in found)

    def own(self) -> ControllerMachine | None:
        """The one that is meant, None without one."""
        machines = self.machines()
        ours = [m for m in machines if self._uid in ("", m.cluster_uid)]
        return ours[0] if ours else None

    def read(self, name: str, around: Surroundings) -> bytes:
        """A file of the state disk, over SSH. Raises NotFound."""
        machine = self.own()
        if name not in FILES:
            raise NotFound(f"{name} is no file that may be read")
        if machine is None or around.read_over_ssh is None:
            raise NotFound(f"{name}: cluster {self._config.name!r} has no controller")
        return around.read_over_ssh(machine, name)

    def boot_log(self) -> str:
        """What its console says so far, empty without one."""
        machine = self.own()
        if machine is None:
            return ""
        path = f"/zones/{machine.zone}/instances/{machine.name}/serialPort"
        said = self._compute.find(path, port="1") or {}
        return str(said.get("contents", ""))

    # -- making one ----------------------------------------------------------

    @property
    def _path(self) -> str:
        return f"/zones/{self._zone}/instances/{self.name}"

    def _start_again(self, vm: Json, request: ControllerRequest) -> None:
        """One that was stopped is started; any other one holds the name."""
        uid = vm.get("labels", {}).get(UID, "")
        if vm.get("status") not in ("TERMINATED", "STOPPED") or (
            uid not in (request.cluster_uid, request.adopt)
        ):
            raise self._held(vm)
        started = self._compute.post(f"{self._path}/start")
        self._compute.wait(self._zone, started, INSERT)

    def _own_disk(self, request: ControllerRequest) -> str:
        """The uid of the cluster, as its disk has it; an absent disk is made."""
        path = f"/zones/{self._zone}/disks"
        disk = self._compute.find(f"{path}/{self.disk_name}")
        if disk is None:
            body = self._disk_body(request.cluster_uid)
            with suppress(AlreadyExists):  # another start was quicker
                made = self._compute.insert(path, body)
                self._compute.wait(self._zone, made, INSERT)
            disk = self._compute.get(f"{path}/{self.disk_name}")
        labels = disk.get("labels", {})
        theirs = labels.get(UID, "")
        is_named = labels.get(CLUSTER) == self._config.name
        if is_named and theirs in (request.cluster_uid, request.adopt):
            return str(theirs)
        raise Rejected(
            f"the state disk {self.disk_name} in {self._zone} belongs to cluster "
            f"{labels.get(CLUSTER, 'of nobody')!r} with uid {theirs or 'unknown'}",
            hint=f"`inv cluster.start --adopt {theirs}` goes on with its state; "
            f"`inv cleanup --uid {theirs}` deletes it.",
        )

    def _disk_body(self, uid: str) -> Json:
        disk = self._config.controller.state_disk
        return {
            "name": self.disk_name,
            "sizeGb": vms.gigabytes(disk.size),
            "type": f"zones/{self._zone}/diskTypes/{disk.type}",
            "labels": labels_of(self._config, uid, STATE_ROLE),
        }

    def _insert(
        self, request: ControllerRequest, uid: str, around: Surroundings
    ) -> Json:
        controller = self._config.controller
        words = vms.VmWords(
            zone=self._zone,
            name=self.name,
            machine_type=controller.machine_type,
            labels=labels_of(self._config, uid, CONTROLLER_ROLE),
            attributes=controller_attributes(
                self._config, uid, request.config_text, around.ssh_keys
            ),
        )
        body = vms.vm_body(self._config, controller, words)
        body["disks"].append(
            {
                "source": f"zones/{self._zone}/disks/{self.disk_name}",
                "deviceName": DEVICE,
                "mode": "READ_WRITE",
                "boot": False,
                "autoDelete": False,
            }
        )
        try:
            return self._compute.insert(f"/zones/{self._zone}/instances", body)
        except AlreadyExists as error:
            raise self._held(self._compute.find(self._path)) from error

    def _held(self, vm: Json | None) -> CloudError:
        labels = (vm or {}).get("labels", {})
        whose = labels.get(CLUSTER, "nobody's"), labels.get(UID, "none")
        return AlreadyExists(
            f"there is a {self.name} in {self._zone} already, of cluster {whose[0]} "
            f"with uid {whose[1]}"
        )

    # -- what is listed ------------------------------------------------------

    def _of_role(
        self, kind: str, role: str, *, of_all: bool = False
    ) -> tuple[list[Json], dict[str, str]]:
        wanted = f"(labels.{CLUSTER}={self._config.name}) (labels.{ROLE}={role})"
        listed, unlisted = self._compute.everywhere(kind, wanted)
        found = self._exact(kind, listed)
        uid = "" if of_all else self._uid
        ours = [
            each
            for each in found
            # filters are the server's; whose it is, is decided here
            if is_of(each.get("labels", {}), self._config.name, uid)
            and each["labels"].get(ROLE) == role
        ]
        return ours, unlisted

    def _exact(self, kind: str, listed: list[Json]) -> list[Json]:
        """As listed, but for the place where ours must be: lists lag, looks do not."""
        name = self.name if kind == "instances" else self.disk_name
        others = [
            each
            for each in listed
            if (last(each["zone"]), each["name"]) != (self._zone, name)
        ]
        here = self._compute.find(f"/zones/{self._zone}/{kind}/{name}")
        return [*others, here] if here is not None else others

    def _machine(self, vm: Json) -> ControllerMachine:
        zone, phase = last(vm["zone"]), vms.phase_of(vm)
        address = vms.internal_ip(vm) if phase is Phase.UP else ""
        machine = ControllerMachine(
            name=vm["name"],
            cluster_uid=vm.get("labels", {}).get(UID, ""),
            zone=zone,
            phase=phase,
            created_at=seconds_of(vm.get("creationTimestamp")),
        )
        if not address:
            return machine
        return replace(
            machine,
            address=f"{address}:{self._config.controller.port}",
            ssh_address=vms.external_ip(vm) or address,
            ssh_identity=self._ssh_identity(machine),
        )

    def _ssh_identity(self, machine: ControllerMachine) -> str:
        """Its SSH key as the VM itself wrote it, empty while it has not."""
        path = f"/zones/{machine.zone}/instances/{machine.name}/getGuestAttributes"
        try:
            said = self._compute.find(path, queryPath="hostkeys/") or {}
        except CloudError:
            return ""  # pinned at first sight then
        for item in said.get("queryValue", {}).get("items", []):
            if item.get("key") == "ssh-ed25519":
                return f"ssh-ed25519 {item['value']}"
        return ""
