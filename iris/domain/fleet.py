"""Scale groups, slices and workers."""

from __future__ import annotations

import msgspec

from iris.domain.jobs import Capacity
from iris.domain.resources import Resources
from iris.domain.states import SliceState, WorkerState


class ScaleGroup(msgspec.Struct, frozen=True):
    """A recipe for like slices; shape and sizes come from the catalogue.

    `resources` are those of one VM, `vms` the VMs of one slice.
    """

    name: str
    accelerator: str  # empty for plain VMs
    vms: int
    resources: Resources
    zones: tuple[str, ...]
    capacity: Capacity
    min_slices: int
    max_slices: int
    priority: int  # higher is tried first
    labels: dict[str, str]
    scale_down_delay: float  # seconds a slice may be idle
    create_timeout: float  # seconds from the request to its appearance
    boot_timeout: float  # seconds from its appearance to the last registration
    delete_timeout: float  # seconds until a delete counts as stuck
    runtime_version: str = ""
    machine_type: str = ""
    topology: str = ""


class Slice(msgspec.Struct, frozen=True):
    """What the cloud gives and takes whole, as the controller holds it."""

    name: str  # its final, unique name in the cloud
    uid: str
    group: str
    zone: str
    capacity: Capacity
    vms: int
    state: SliceState = SliceState.REQUESTED
    because: str = ""  # why it is in this state
    requested_at: float = 0.0
    created_at: float = 0.0  # the create call was accepted
    booting_at: float = 0.0
    ready_at: float = 0.0
    busy_at: float = 0.0  # when its last attempt ended, or less than 5 s before that
    deleting_at: float = 0.0
    deleted_at: float = 0.0
    seen_at: float = 0.0  # last listed by the cloud
    missed: int = 0  # successive listings without it
    drained_by: str = ""  # who or what asked for its end while it worked
    leave_by: float = 0.0  # when what runs on it is ended, once its end is asked for
    creation: str = ""  # the cloud's own name of its creation, which may still fail


class Limits(msgspec.Struct, frozen=True):
    """How a worker holds each limit, in words a person reads."""

    cpu: str = ""
    memory: str = ""
    time: str = ""


class Worker(msgspec.Struct, frozen=True):
    """What of ours runs on one VM of a slice."""

    uid: str
    slice_name: str
    index: int
    boot_id: str  # of the keeper; another one means that its attempts ended
    address: str
    nudge_port: int
    resources: Resources
    token_hash: str
    registered_at: float
    state: WorkerState = WorkerState.HEALTHY
    draining: str = ""  # why it takes no new work, empty if it does
    doubts: tuple[str, ...] = ()  # uids of jobs that failed fast on it, in a row
    limits: Limits = Limits()
    version: str = ""


class Backoff(msgspec.Struct, frozen=True):
    """Why a group does not grow in a zone for the moment."""

    group: str
    zone: str
    failures: int
    until: float
    kind: str  # the code of the error
    words: str  # the cloud's own


class BootPhase(msgspec.Struct, frozen=True):
    """One step of a VM's boot, as it reported it."""

    slice_name: str
    index: int
    phase: str
    at: float
    detail: str = ""
