"""Records as Compute Engine writes them in JSON."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from flask import request

from iris.emulator.compute.records import DiskRecord, Json, OperationRecord, VmRecord


def base() -> str:
    """Where this server's projects begin."""
    return f"{request.host_url}compute/v1/"


def fingerprint(version: int) -> str:
    """Canonical URL-safe base64 of a version."""
    return base64.urlsafe_b64encode(version.to_bytes(9, "big")).decode()


def is_current(claimed: str, version: int) -> bool:
    """Is it the fingerprint of that version, in either alphabet?"""
    return claimed.replace("+", "-").replace("/", "_") == fingerprint(version)


def when(at: float) -> str:
    """RFC 3339 with milliseconds and an offset."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def full(project: str, path: str) -> str:
    """A full URL of something below a project."""
    if path.startswith("http"):
        return path
    prefix = "" if path.startswith("projects/") else f"projects/{project}/"
    return f"{base()}{prefix}{path}"


def vm_view(vm: VmRecord, sizes: dict[str, int]) -> Json:
    """One VM; `sizes` are those of its disks, in GB, by key."""
    view: Json = {
        "kind": "compute#instance",
        "id": vm.id,
        "name": vm.name,
        "status": vm.status,
        "creationTimestamp": when(vm.created_at),
        "zone": full(vm.project, f"zones/{vm.zone}"),
        "machineType": full(
            vm.project, f"zones/{vm.zone}/machineTypes/{vm.machine_type}"
        ),
        "selfLink": base() + vm.path,
        "cpuPlatform": "Intel Ice Lake",
        "deletionProtection": False,
        "canIpForward": False,
        "labelFingerprint": fingerprint(vm.labels_version),
        "metadata": metadata_view(vm.metadata, vm.metadata_version),
        "tags": {"fingerprint": fingerprint(vm.tags_version)},
        "disks": [_disk_of(vm, place, sizes) for place in range(len(vm.disks))],
        "networkInterfaces": [_interface(vm)],
        "scheduling": vm.scheduling,
        "fingerprint": fingerprint(vm.metadata_version),
    }
    if vm.labels:
        view["labels"] = vm.labels
    if vm.tags:
        view["tags"]["items"] = list(vm.tags)
    if vm.account:
        view["serviceAccounts"] = [{"email": vm.account, "scopes": list(vm.scopes)}]
    if vm.started_at:
        view["lastStartTimestamp"] = when(vm.started_at)
    if vm.stopped_at:
        view["lastStopTimestamp"] = when(vm.stopped_at)
    return view


def metadata_view(items: dict[str, str], version: int) -> Json:
    """Attributes with their fingerprint."""
    view: Json = {"kind": "compute#metadata", "fingerprint": fingerprint(version)}
    if items:
        view["items"] = [{"key": key, "value": value} for key, value in items.items()]
    return view


def _interface(vm: VmRecord) -> Json:
    region = vm.zone.rpartition("-")[0]
    subnetwork = vm.subnetwork or f"regions/{region}/subnetworks/default"
    view: Json = {
        "kind": "compute#networkInterface",
        "name": "nic0",
        "network": full(vm.project, vm.network),
        "subnetwork": full(vm.project, subnetwork),
        "fingerprint": fingerprint(1),
        "stackType": "IPV4_ONLY",
    }
    if vm.internal_ip:
        view["networkIP"] = vm.internal_ip
    if vm.wants_external:
        access: Json = {
            "kind": "compute#accessConfig",
            "name": "external-nat",
            "type": "ONE_TO_ONE_NAT",
            "networkTier": "PREMIUM",
        }
        if vm.external_ip and vm.status in ("STAGING", "RUNNING", "STOPPING"):
            access["natIP"] = vm.external_ip
        view["accessConfigs"] = [access]
    return view


def _disk_of(vm: VmRecord, place: int, sizes: dict[str, int]) -> Json:
    attached = vm.disks[place]
    project, zone, name = attached.disk.split("/")
    return {
        "kind": "compute#attachedDisk",
        "type": "PERSISTENT",
        "mode": attached.mode,
        "source": full(project, f"zones/{zone}/disks/{name}"),
        "deviceName": attached.device_name,
        "index": place,
        "boot": attached.is_boot,
        "autoDelete": attached.auto_delete,
        "diskSizeGb": str(sizes.get(attached.disk, 10)),
        "interface": "SCSI",
    }


def disk_view(disk: DiskRecord) -> Json:
    """One disk."""
    view: Json = {
        "kind": "compute#disk",
        "id": disk.id,
        "name": disk.name,
        "status": "READY",
        "sizeGb": str(disk.size_gb),
        "type": full(disk.project, f"zones/{disk.zone}/diskTypes/{disk.type}"),
        "zone": full(disk.project, f"zones/{disk.zone}"),
        "selfLink": base() + disk.path,
        "creationTimestamp": when(disk.created_at),
        "labelFingerprint": fingerprint(disk.labels_version),
        "physicalBlockSizeBytes": "4096",
    }
    if disk.labels:
        view["labels"] = disk.labels
    if disk.image:
        view["sourceImage"] = full(disk.project, disk.image)
    if disk.user:
        project, zone, name = disk.user.split("/")
        view["users"] = [full(project, f"zones/{zone}/instances/{name}")]
    return view


def operation_view(operation: OperationRecord) -> Json:
    """One operation."""
    is_done = bool(operation.ended_at)
    where = f"zones/{operation.zone}"
    view: Json = {
        "kind": "compute#operation",
        "id": operation.id,
        "name": operation.name,
        "zone": full(operation.project, where),
        "operationType": operation.type,
        "targetLink": full(operation.project, operation.target),
        "targetId": operation.target_id,
        "status": "DONE" if is_done else "RUNNING",
        "user": operation.user,
        "progress": 100 if is_done else 0,
        "insertTime": when(operation.inserted_at),
        "startTime": when(operation.inserted_at),
        "selfLink": full(operation.project, f"{where}/operations/{operation.name}"),
    }
    if is_done:
        view["endTime"] = when(operation.ended_at)
    if operation.error:
        view["error"] = {"errors": list(operation.error)}
        view["httpErrorStatusCode"] = operation.http_status or 400
        view["httpErrorMessage"] = str(operation.error[0].get("message", ""))
    return view
