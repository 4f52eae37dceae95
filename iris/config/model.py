"""The cluster file as frozen structs; each field says what may stand there."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from iris.config.cloud import (
    BootDiskConfig,
    GcpConfig,
    SshConfig,
    StateDiskConfig,
)
from iris.config.kinds import AcceleratorType, Amount, Many, Named, OneOf, Text, Whole
from iris.config.measures import Duration, Size
from iris.config.shapes import resources_of
from iris.config.words import (
    ABOVE_ZERO,
    ANY_WHOLE,
    IMAGE,
    LABEL_NAME,
    LABEL_WORDS,
    MOST,
    NOT_NEGATIVE,
    OWNER_LABEL_NAME,
    OWNER_LABEL_WORDS,
    SCOPE,
    SERVICE_ACCOUNT,
    TAG,
    TOKEN,
    ZONE,
    Flag,
)
from iris.domain.accelerators import CATALOGUE
from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import Capacity
from iris.domain.machine import CACHE_BYTES, CHIPS_TIMEOUT, OUTPUT_BYTES
from iris.domain.machine_types import smallest_machine_type
from iris.domain.resources import UserLimits

LEAST_LOG = 10**6  # bytes; less would hardly be a log
SCOPES = "https://www.googleapis.com/auth"
CLUSTER_NAME = Text(
    r"[a-z]([-a-z0-9]{0,28}[a-z0-9])?",
    "1 to 30 lower-case letters, digits and -, a letter first, no - last",
)
GROUP_NAME = Text(
    r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?",
    "lower-case letters, digits, - and _, none of the last two at either end",
)


class Runtime(StrEnum):
    """What an attempt is on a VM."""

    PROCESS = "process"
    DOCKER = "docker"


class LocalConfig(msgspec.Struct, frozen=True):
    """Processes of this machine; there is nothing to set."""


class ProviderConfig(msgspec.Struct, frozen=True):
    """Where slices come from: exactly one of these."""

    local: LocalConfig | None = None
    gcp: GcpConfig | None = None

    @property
    def kind(self) -> str:
        """The name of the provider's module."""
        names = self.__struct_fields__
        return next(name for name in names if getattr(self, name) is not None)

    @property
    def zone(self) -> str:
        """Where a group's slices lie that names no zones."""
        return self.gcp.zone if self.gcp else self.kind


class ControllerConfig(msgspec.Struct, frozen=True):
    """The controller's machine and where it listens."""

    port: Annotated[int, Whole(0, 65535, "a port from 1 to 65535, or 0 for any")] = (
        10000
    )
    image: Annotated[str, IMAGE] = ""
    machine_type: Annotated[str, TOKEN] = "n2-standard-4"
    service_account: Annotated[str, SERVICE_ACCOUNT] = ""
    scopes: Annotated[tuple[str, ...], Many(SCOPE)] = (f"{SCOPES}/cloud-platform",)
    external_ip: Annotated[bool, Flag()] = True
    tags: Annotated[tuple[str, ...], Many(TAG)] = ()
    boot_disk: BootDiskConfig = BootDiskConfig()
    state_disk: StateDiskConfig = StateDiskConfig()


class WorkerConfig(msgspec.Struct, frozen=True):
    """What runs on every VM of a slice, and when a silent worker is given up."""

    image: Annotated[str, IMAGE] = ""
    service_account: Annotated[str, SERVICE_ACCOUNT] = ""
    scopes: Annotated[tuple[str, ...], Many(SCOPE)] = (
        f"{SCOPES}/devstorage.read_only",
    )
    external_ip: Annotated[bool, Flag()] = True
    tags: Annotated[tuple[str, ...], Many(TAG)] = ()
    boot_disk: BootDiskConfig = BootDiskConfig()
    runtime: Annotated[Runtime, OneOf(Runtime)] = Runtime.PROCESS
    cache: Annotated[int, Size()] = CACHE_BYTES
    output: Annotated[int, Size()] = OUTPUT_BYTES
    suspect_after: Annotated[float, Duration(1.0)] = 15.0
    lost_after: Annotated[float, Duration(2.0)] = 60.0
    chips_timeout: Annotated[float, Duration()] = CHIPS_TIMEOUT


class AutoscalerConfig(msgspec.Struct, frozen=True):
    """How often capacity is looked at, and how long idle slices are kept."""

    evaluation_interval: Annotated[float, Duration(0.1)] = 10.0
    scale_down_delay: Annotated[float, Duration()] = 300.0


class RetentionConfig(msgspec.Struct, frozen=True):
    """How much of the past is kept."""

    events: Annotated[int, Whole(1000, MOST, "a whole number of 1000 or more")] = (
        200_000
    )
    logs_per_task: Annotated[int, Size(LEAST_LOG)] = 10**9
    logs_per_job: Annotated[int, Size(LEAST_LOG)] = 5 * 10**9
    logs: Annotated[int, Size(LEAST_LOG)] = 20 * 10**9
    outputs: Annotated[int, Size(LEAST_LOG)] = 20 * 10**9
    jobs: Annotated[int, Whole(100, MOST, "a whole number of 100 or more")] = 20_000
    jobs_for: Annotated[float, Duration(3600.0)] = 90 * 86_400.0


class UserLimitsConfig(msgspec.Struct, frozen=True):
    """How much one user may have at once; 0 is no limit."""

    chips: Annotated[int, NOT_NEGATIVE] = 0
    running_tasks: Annotated[int, NOT_NEGATIVE] = 0
    pending_tasks: Annotated[int, NOT_NEGATIVE] = 0


class GroupConfig(msgspec.Struct, frozen=True):
    """A scale group: what its slices are, how many, and how long each step takes."""

    accelerator: Annotated[str, AcceleratorType()] = ""
    runtime_version: Annotated[str, TOKEN] = ""
    machine_type: Annotated[str, TOKEN] = ""
    cpus: Annotated[float, Amount()] = 0.0
    memory: Annotated[int, Size()] = 0
    zones: Annotated[tuple[str, ...], Many(ZONE)] = ()
    capacity: Annotated[Capacity, OneOf(Capacity)] = Capacity.ON_DEMAND
    min_slices: Annotated[int, NOT_NEGATIVE] = 0
    max_slices: Annotated[int, ABOVE_ZERO] = 1
    priority: Annotated[int, ANY_WHOLE] = 100
    labels: Annotated[dict[str, str], Named(LABEL_NAME, LABEL_WORDS)] = {}
    scale_down_delay: Annotated[float | None, Duration()] = None
    create_timeout: Annotated[float, Duration(1.0)] = 900.0
    boot_timeout: Annotated[float, Duration(1.0)] = 900.0
    delete_timeout: Annotated[float, Duration(1.0)] = 600.0


class ClusterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster, as its file describes it."""

    name: Annotated[str, CLUSTER_NAME]
    provider: ProviderConfig
    controller: ControllerConfig = ControllerConfig()
    worker: WorkerConfig = WorkerConfig()
    autoscaler: AutoscalerConfig = AutoscalerConfig()
    retention: RetentionConfig = RetentionConfig()
    user_limits: UserLimitsConfig = UserLimitsConfig()
    ssh: SshConfig = SshConfig()
    labels: Annotated[dict[str, str], Named(OWNER_LABEL_NAME, OWNER_LABEL_WORDS)] = {}
    scale_groups: Annotated[dict[str, GroupConfig], GROUP_NAME]

    def limits(self) -> UserLimits:
        """How much one user may have at once."""
        return UserLimits(**msgspec.structs.asdict(self.user_limits))

    def groups(self) -> tuple[ScaleGroup, ...]:
        """The scale groups with all that follows from catalogue and defaults."""
        return tuple(self._group(name) for name in self.scale_groups)

    def _group(self, name: str) -> ScaleGroup:
        group = self.scale_groups[name]
        kind = CATALOGUE.get(group.accelerator)
        delay = group.scale_down_delay
        return ScaleGroup(
            name=name,
            accelerator=group.accelerator,
            vms=kind.vms if kind else 1,
            resources=resources_of(group),
            zones=group.zones or (self.provider.zone,),
            capacity=group.capacity,
            min_slices=group.min_slices,
            max_slices=group.max_slices,
            priority=group.priority,
            labels=group.labels,
            scale_down_delay=(
                self.autoscaler.scale_down_delay if delay is None else delay
            ),
            create_timeout=group.create_timeout,
            boot_timeout=group.boot_timeout,
            delete_timeout=group.delete_timeout,
            runtime_version=(
                group.runtime_version or (kind.runtime_version if kind else "")
            ),
            machine_type=self._machine_type(group),
            topology=kind.topology if kind else "",
        )

    def _machine_type(self, group: GroupConfig) -> str:
        """That of a cloud's plain VMs; where none is named, what has as much."""
        if group.machine_type or group.accelerator or self.provider.gcp is None:
            return group.machine_type
        return smallest_machine_type(resources_of(group))
