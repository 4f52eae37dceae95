"""What Compute Engine keeps: VMs, disks, operations, as frozen structs."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

Json = dict[str, Any]


class Goal(StrEnum):
    """What a VM is on its way to by itself."""

    NONE = ""
    STAGING = "staging"
    RUNNING = "running"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    GONE = "gone"


class Attached(msgspec.Struct, frozen=True):
    """A disk as one VM has it."""

    disk: str  # key of the disk
    device_name: str
    is_boot: bool = False
    auto_delete: bool = False
    mode: str = "READ_WRITE"


class VmRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One VM; versions count up with each change of what they stand beside."""

    id: str
    project: str
    zone: str
    name: str
    machine_type: str
    status: str = "PROVISIONING"
    goal: Goal = Goal.NONE
    under: str = ""  # name of the operation that brings it there
    created_at: float
    started_at: float = 0.0
    stopped_at: float = 0.0
    internal_ip: str = ""
    external_ip: str = ""
    wants_external: bool = False
    network: str = "global/networks/default"
    subnetwork: str = ""
    labels: dict[str, str] = {}
    labels_version: int = 1
    metadata: dict[str, str] = {}
    metadata_version: int = 1
    tags: tuple[str, ...] = ()
    tags_version: int = 1
    account: str = ""
    scopes: tuple[str, ...] = ()
    scheduling: Json = {}
    disks: tuple[Attached, ...] = ()
    image: str = ""

    @property
    def key(self) -> str:
        """Its place on the shelf."""
        return f"{self.project}/{self.zone}/{self.name}"

    @property
    def path(self) -> str:
        """As messages name it."""
        return f"projects/{self.project}/zones/{self.zone}/instances/{self.name}"

    @property
    def is_spot(self) -> bool:
        """May it be reclaimed?"""
        model = self.scheduling.get("provisioningModel")
        return model == "SPOT" or bool(self.scheduling.get("preemptible"))


class DiskRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One persistent disk."""

    id: str
    project: str
    zone: str
    name: str
    size_gb: int
    type: str
    created_at: float
    labels: dict[str, str] = {}
    labels_version: int = 1
    user: str = ""  # key of the VM that has it read-write
    image: str = ""

    @property
    def key(self) -> str:
        """Its place on the shelf."""
        return f"{self.project}/{self.zone}/{self.name}"

    @property
    def path(self) -> str:
        """As messages name it."""
        return f"projects/{self.project}/zones/{self.zone}/disks/{self.name}"


class OperationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of a zone."""

    id: str
    name: str
    project: str
    zone: str
    type: str
    target: str  # path of what it is about, below the project
    target_id: str
    inserted_at: float
    ended_at: float = 0.0
    error: tuple[Json, ...] = ()
    http_status: int = 0
    request_id: str = ""
    user: str = "owner@example.com"
