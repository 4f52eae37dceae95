"""VMs of Compute Engine as requests and as they are listed."""

from __future__ import annotations

from typing import Any

import msgspec

from iris.config import ClusterConfig
from iris.config.cloud import BootDiskConfig
from iris.config.model import ControllerConfig, WorkerConfig
from iris.domain.accelerators import region_of
from iris.providers.contract import Phase

Json = dict[str, Any]

_GB = 1_000_000_000
_PHASES = {
    "PROVISIONING": Phase.CREATING,
    "STAGING": Phase.CREATING,
    "RUNNING": Phase.UP,
    "DEPROVISIONING": Phase.DELETING,
    "TERMINATED": Phase.STOPPED,
    "STOPPED": Phase.STOPPED,
    "SUSPENDING": Phase.STOPPED,
    "SUSPENDED": Phase.STOPPED,
}


class VmWords(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one VM in particular."""

    zone: str
    name: str
    machine_type: str
    labels: dict[str, str]
    attributes: dict[str, str]


def vm_body(
    config: ClusterConfig, of: ControllerConfig | WorkerConfig, words: VmWords
) -> Json:
    """What is posted to make a VM."""
    zone = words.zone
    items = [{"key": key, "value": value} for key, value in words.attributes.items()]
    account = {"email": of.service_account or "default", "scopes": list(of.scopes)}
    return {
        "name": words.name,
        "machineType": f"zones/{zone}/machineTypes/{words.machine_type}",
        "labels": words.labels,
        "metadata": {"items": items},
        "tags": {"items": list(of.tags)},
        "networkInterfaces": [_interface(config, zone, has_address=of.external_ip)],
        "serviceAccounts": [account],
        "disks": [_boot_disk(of.boot_disk, words)],
    }


def spot() -> Json:
    """How a VM is scheduled that the cloud may take; it is listed until deleted."""
    return {
        "provisioningModel": "SPOT",
        "preemptible": True,
        "automaticRestart": False,
        "onHostMaintenance": "TERMINATE",
        "instanceTerminationAction": "STOP",
    }


def phase_of(vm: Json) -> Phase:
    """What its status means to us."""
    status = str(vm.get("status", ""))
    if status == "TERMINATED" and is_spot(vm):
        return Phase.PREEMPTED
    return _PHASES.get(status, Phase.UNCLEAR)


def is_spot(vm: Json) -> bool:
    """May the cloud take it back?"""
    scheduling = vm.get("scheduling", {})
    model = scheduling.get("provisioningModel")
    return model == "SPOT" or bool(scheduling.get("preemptible"))


def internal_ip(vm: Json) -> str:
    """Its address inside, empty while it has none."""
    interfaces = vm.get("networkInterfaces") or [{}]
    return str(interfaces[0].get("networkIP", ""))


def external_ip(vm: Json) -> str:
    """Its address on the internet, empty without one."""
    interfaces = vm.get("networkInterfaces") or [{}]
    accesses = interfaces[0].get("accessConfigs") or [{}]
    return str(accesses[0].get("natIP", ""))


def network_url(network: str) -> str:
    """As Compute Engine takes it: a path of another project stays as it is."""
    return network if "/" in network else f"global/networks/{network}"


def _interface(config: ClusterConfig, zone: str, *, has_address: bool) -> Json:
    gcp = config.provider.gcp
    assert gcp is not None  # this provider is named by that key
    made: Json = {"network": network_url(gcp.network)}
    if gcp.subnetwork:
        subnetwork = gcp.subnetwork
        if "/" not in subnetwork:
            subnetwork = f"regions/{region_of(zone)}/subnetworks/{subnetwork}"
        made["subnetwork"] = subnetwork
    if has_address:
        made["accessConfigs"] = [{"name": "External NAT", "type": "ONE_TO_ONE_NAT"}]
    return made


def _boot_disk(disk: BootDiskConfig, words: VmWords) -> Json:
    return {
        "boot": True,
        "autoDelete": True,
        "initializeParams": {
            "sourceImage": disk.image,
            "diskSizeGb": gigabytes(disk.size),
            "diskType": f"zones/{words.zone}/diskTypes/{disk.type}",
            "labels": words.labels,
        },
    }


def gigabytes(size: int) -> str:
    """A size as the API takes it, rounded up."""
    return str(-(-size // _GB))
