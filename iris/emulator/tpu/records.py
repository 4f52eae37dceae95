"""What Cloud TPU keeps: slices, queued resources, operations, as frozen structs.

A slice is what the API calls a node. What a caller asked for is kept as the JSON it
came in, with enums by name; what the cloud adds stands in fields of its own.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

Json = dict[str, Any]


class State(StrEnum):
    """States of a slice that this emulator enters by itself."""

    CREATING = "CREATING"
    READY = "READY"
    RESTARTING = "RESTARTING"
    DELETING = "DELETING"
    REPAIRING = "REPAIRING"
    STOPPED = "STOPPED"
    STOPPING = "STOPPING"
    STARTING = "STARTING"
    PREEMPTED = "PREEMPTED"
    TERMINATED = "TERMINATED"


class QueuedState(StrEnum):
    """States of a queued resource."""

    CREATING = "CREATING"
    WAITING = "WAITING_FOR_RESOURCES"
    PROVISIONING = "PROVISIONING"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"
    SUSPENDING = "SUSPENDING"
    SUSPENDED = "SUSPENDED"
    DELETING = "DELETING"


class SliceVm(msgspec.Struct, frozen=True):
    """One VM of a slice, in worker order."""

    id: str
    internal_ip: str
    external_ip: str = ""


class TpuSlice(msgspec.Struct, frozen=True, kw_only=True):
    """A node of Cloud TPU."""

    id: str  # decimal digits
    project: str
    zone: str
    name: str
    asked: Json
    accelerator: str
    topology: str
    created_at: float
    mark: str  # eight hex digits that its VMs' names hold
    state: str = State.CREATING
    health: str = ""
    health_description: str = ""
    vms: tuple[SliceVm, ...] = ()
    is_booted: bool = False  # the driver has its VMs, up or on their way
    queued: str = ""  # name of the queued resource that made it
    set_index: int = 0  # of a set of slices that one queued resource makes
    set_size: int = 0
    coordinator: str = ""  # address of the first VM of the set
    operation: str = ""  # the one that runs on it
    is_refused: bool = False  # there is no room for it; its operation will say so
    taken_at: float = 0.0  # when the cloud has it back; 0 while it is not taken
    lacking: tuple[int, ...] = ()  # workers that never boot
    blank: tuple[int, ...] = ()  # workers without an index

    @property
    def path(self) -> str:
        """Its full name."""
        return f"projects/{self.project}/locations/{self.zone}/nodes/{self.name}"

    @property
    def is_spot(self) -> bool:
        """May it be reclaimed?"""
        wanted = self.asked.get("schedulingConfig", {})
        return bool(wanted.get("spot") or wanted.get("preemptible"))


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """A queued resource; `asked` is its body in the words of v2."""

    id: str
    project: str
    zone: str
    name: str
    asked: Json
    created_at: float
    state: QueuedState = QueuedState.CREATING
    initiator: str = ""
    error: Json = {}
    begins_at: float = 0.0  # not served before; 0 at once
    expires_at: float = 0.0  # its validity ends; 0 never
    operation: str = ""

    @property
    def path(self) -> str:
        """Its full name."""
        parent = f"projects/{self.project}/locations/{self.zone}"
        return f"{parent}/queuedResources/{self.name}"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A long-running operation; `response` stays empty until it succeeded."""

    id: str  # its last part
    project: str
    zone: str
    target: str
    verb: str
    version: str  # of the API that began it
    created_at: float
    ended_at: float = 0.0
    error: Json = {}
    response: Json = {}
    request_id: str = ""
    cancel_requested: bool = False

    @property
    def path(self) -> str:
        """Its full name."""
        parent = f"projects/{self.project}/locations/{self.zone}"
        return f"{parent}/operations/{self.id}"
