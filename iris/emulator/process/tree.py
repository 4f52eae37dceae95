"""What a VM's metadata server shows, as a tree of words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from iris.emulator.machines import Vm

Tree = dict[str, Any]
_LISTS = ("network-interfaces", "access-configs")  # in JSON, also where empty


class Shown(msgspec.Struct, frozen=True):
    """What changes while a VM runs, beside what it was made with."""

    preempted: bool = False
    maintenance_event: str = "NONE"
    guest: Mapping[str, Mapping[str, str]] = {}


def tree_of(vm: Vm, shown: Shown) -> Tree:
    """The whole tree, below computeMetadata/v1/."""
    project = {
        "project-id": vm.project,
        "numeric-project-id": str(vm.project_number),
        "attributes": dict(vm.project_attributes),
    }
    return {"instance": _of_vm(vm, shown), "project": project}


def _of_vm(vm: Vm, shown: Shown) -> Tree:
    place = f"projects/{vm.project_number}"
    spot = "TRUE" if vm.preemptible else "FALSE"
    return {
        "id": vm.id,
        "name": vm.name,
        "hostname": f"{vm.name}.{vm.zone}.c.{vm.project}.internal",
        "zone": f"{place}/zones/{vm.zone}",
        "machine-type": f"{place}/machineTypes/{vm.machine_type}",
        "attributes": dict(vm.attributes),
        "network-interfaces": {"0": _interface(vm, place)},
        "preempted": "TRUE" if shown.preempted else "FALSE",
        "maintenance-event": shown.maintenance_event,
        "scheduling": {
            "preemptible": spot,
            "automatic-restart": "FALSE" if vm.preemptible else "TRUE",
            "on-host-maintenance": "TERMINATE" if vm.preemptible else "MIGRATE",
        },
        "service-accounts": _accounts(vm),
        "guest-attributes": {space: dict(of) for space, of in shown.guest.items()},
        "tags": json.dumps(list(vm.tags)),
        "description": "",
        "cpu-platform": "Intel Cascade Lake",
        "image": vm.image,
    }


def _interface(vm: Vm, place: str) -> Tree:
    octets = [int(part) for part in vm.internal_ip.split(".")]
    outside = {"external-ip": vm.external_ip, "type": "ONE_TO_ONE_NAT"}
    return {
        "ip": vm.internal_ip,
        "mac": "42:01:" + ":".join(f"{octet:02x}" for octet in octets),
        "network": f"{place}/networks/default",
        "access-configs": {"0": outside} if vm.external_ip else {},
    }


def _accounts(vm: Vm) -> Tree:
    if not vm.service_account:
        return {}
    account = {
        "aliases": "default",
        "email": vm.service_account,
        "scopes": "\n".join(vm.scopes),
    }
    return {"default": account, vm.service_account: account}


def find(tree: Tree, path: str) -> Any:
    """What lies at a path, None where there is nothing."""
    found: Any = tree
    for part in filter(None, path.split("/")):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def etag_of(value: Any) -> str:
    """Another one for another value."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def listing_of(directory: Tree) -> str:
    """One entry a line; directories end in a slash."""
    names = (
        f"{k}/" if isinstance(v, dict) else k for k, v in sorted(directory.items())
    )
    return "\n".join(names) + "\n"


def flat_of(value: Any, path: str = "") -> str:
    """As `recursive=true&alt=text` shows it: a path and a value on each line."""
    if isinstance(value, dict):
        inner = (flat_of(v, f"{path}/{k}" if path else k) for k, v in value.items())
        return "".join(inner)
    return f"{path} {value}\n"


def camel_of(value: Any, key: str = "") -> Any:
    """As `recursive=true` shows it: camelCase keys, numbered directories as lists."""
    if not isinstance(value, dict):
        return _typed(value, key)
    if key in _LISTS or (value and all(name.isdigit() for name in value)):
        return [camel_of(each) for each in value.values()]
    if key in ("attributes", "guest-attributes"):
        return value
    return {_camel(name): camel_of(each, name) for name, each in value.items()}


def _typed(value: str, key: str) -> Any:
    if key == "scopes":
        return value.split("\n") if value else []
    if key == "aliases":
        return [value]
    if key in ("id", "numeric-project-id"):
        return int(value)
    return json.loads(value) if key == "tags" else value


def _camel(name: str) -> str:
    if "@" in name:
        return name
    first, *rest = name.split("-")
    return first + "".join(part.capitalize() for part in rest)
