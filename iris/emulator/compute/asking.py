"""What the body of an insert asks for, as a record; nothing is made here."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from iris.emulator.compute import catalogue
from iris.emulator.compute.records import Json, VmRecord
from iris.emulator.errors import Refusal, missing
from iris.emulator.labels import labels_from

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
MOST_GB = 65_536  # of one disk
MOST_BYTES = 512 * 1024  # of all metadata; one value has half of that


class DiskWish(msgspec.Struct, frozen=True):
    """One disk of an insert: an existing one by its source, or a new one."""

    source: str = ""  # name of an existing disk
    name: str = ""  # of a new one; empty: after its VM, or made up
    device_name: str = ""
    size_gb: int = 10
    type: str = "pd-standard"
    image: str = ""
    labels: dict[str, str] = {}
    is_boot: bool = False
    auto_delete: bool = False
    mode: str = "READ_WRITE"


def read_vm(project: str, zone: str, body: Json) -> VmRecord:
    """The VM that a body asks for, without an id. Raises 400s and 404s."""
    name = name_from(body)
    machine_type = _last(body.get("machineType"))
    if catalogue.machine(machine_type) is None:
        path = f"projects/{project}/zones/{zone}/machineTypes/{machine_type}"
        raise missing(path)
    interface = _first(body, "networkInterfaces")
    account = _first(body, "serviceAccounts")
    return VmRecord(
        id="",
        project=project,
        zone=zone,
        name=name,
        machine_type=machine_type,
        created_at=0.0,
        wants_external=bool(interface.get("accessConfigs")),
        network=_below_project(interface.get("network"), "global/networks/default"),
        subnetwork=_below_project(interface.get("subnetwork"), ""),
        labels=labels_from(body.get("labels")),
        metadata=read_metadata(body.get("metadata") or {}),
        tags=tuple((body.get("tags") or {}).get("items") or ()),
        account=str(account.get("email") or ""),
        scopes=tuple(account.get("scopes") or ()),
        scheduling=_scheduling(body.get("scheduling") or {}),
    )


def name_from(body: Json) -> str:
    """The name of what is to be made. Raises a 400."""
    name = str(body.get("name", ""))
    if not _NAME.fullmatch(name):
        raise _invalid("resource.name", name, f"a match of regex '{_NAME.pattern}'")
    return name


def size_from(value: object) -> int:
    """Gigabytes of a disk, 10 where nobody says. Raises a 400."""
    try:
        size = int(str(value or 10))
    except ValueError:
        size = 0
    if not 1 <= size <= MOST_GB:
        raise _invalid("resource.sizeGb", value, f"1 to {MOST_GB}")
    return size


def read_metadata(metadata: Any) -> dict[str, str]:
    """Attributes from items. Raises a 400 for doubles, and for too much."""
    items = metadata.get("items") or [] if isinstance(metadata, dict) else None
    if not isinstance(items, list) or not all(map(_is_item, items)):
        raise _invalid("metadata", "", "items with a key each")
    values = {str(item["key"]): str(item.get("value", "")) for item in items}
    if len(values) != len(items):
        raise Refusal("invalid", "Invalid value for field 'metadata': duplicate keys")
    sizes = [len(value.encode()) for value in values.values()]
    if max(sizes, default=0) > MOST_BYTES // 2 or sum(sizes) > MOST_BYTES:
        words = "Value for field 'metadata' is too large: maximum size 262144"
        raise Refusal("invalid", f"{words} character(s); actual size {max(sizes)}.")
    return values


def read_disks(body: Json) -> list[DiskWish]:
    """The disks of an insert, the first one booting where none says so."""
    wishes = [read_disk(disk) for disk in body.get("disks") or []]
    if not any(wish.is_boot for wish in wishes):
        words = "Invalid value for field 'resource.disks': no boot disk."
        raise Refusal("invalid", words)
    return wishes


def read_disk(disk: Json) -> DiskWish:
    """One disk as a body names it."""
    if not isinstance(disk, dict):
        raise _invalid("resource.disks", disk, "a list of objects")
    fresh = disk.get("initializeParams") or {}
    if fresh.get("diskName"):
        name_from({"name": fresh["diskName"]})
    source = _last(disk.get("source"))
    name = source or str(fresh.get("diskName") or "")
    image = str(fresh.get("sourceImage") or "")
    return DiskWish(
        source=source,
        name=name,
        device_name=str(disk.get("deviceName") or name),
        size_gb=size_from(fresh.get("diskSizeGb") or disk.get("diskSizeGb")),
        type=_last(fresh.get("diskType")) or "pd-standard",
        image=catalogue.image_of(image) if image else "",
        labels=labels_from(fresh.get("labels")),
        is_boot=bool(disk.get("boot")),
        auto_delete=bool(disk.get("autoDelete")),
        mode=str(disk.get("mode") or "READ_WRITE"),
    )


def _is_item(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("key"), str)


def _first(body: Json, field: str) -> Json:
    found = body.get(field) or [{}]
    if not isinstance(found, list) or not isinstance(found[0], dict):
        raise _invalid(f"resource.{field}", found, "a list of objects")
    return found[0]


def _invalid(field: str, value: object, wanted: str) -> Refusal:
    words = f"Invalid value for field '{field}': '{value}'. Must be {wanted}."
    return Refusal("invalid", words)


def _scheduling(asked: Json) -> Json:
    is_spot = asked.get("provisioningModel") == "SPOT" or bool(asked.get("preemptible"))
    usual: Json = {
        "provisioningModel": "SPOT" if is_spot else "STANDARD",
        "preemptible": is_spot,
        "automaticRestart": not is_spot,
        "onHostMaintenance": "TERMINATE" if is_spot else "MIGRATE",
    }
    return usual | asked


def _below_project(value: object, default: str) -> str:
    path = str(value or "").split("/compute/v1/")[-1]
    if not path:
        return default
    return path if "/" in path else f"global/networks/{path}"


def _last(value: object) -> str:
    return str(value or "").rpartition("/")[2]
