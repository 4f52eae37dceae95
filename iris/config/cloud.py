"""The keys of a cluster file that only a cloud reads."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from iris.config.kinds import OneOf
from iris.config.measures import Size
from iris.config.words import (
    BOOT_IMAGE,
    DISK_TYPE,
    LINE,
    NETWORK,
    PORT,
    PROJECT,
    SUBNETWORK,
    USER,
    ZONE,
    Flag,
)

GB = 1_000_000_000


class GcpConfig(msgspec.Struct, frozen=True):
    """A project of Google Cloud, and the network that its VMs share."""

    project: Annotated[str, PROJECT]
    zone: Annotated[str, ZONE]
    network: Annotated[str, NETWORK] = "default"
    subnetwork: Annotated[str, SUBNETWORK] = ""


class BootDiskConfig(msgspec.Struct, frozen=True):
    """What a plain VM boots from; TPU VMs boot their runtime version."""

    image: Annotated[str, BOOT_IMAGE] = (
        "projects/debian-cloud/global/images/family/debian-12"
    )
    size: Annotated[int, Size()] = 50 * GB
    type: Annotated[str, DISK_TYPE] = "pd-balanced"


class StateDiskConfig(msgspec.Struct, frozen=True):
    """What outlives the controller's VM."""

    size: Annotated[int, Size()] = 50 * GB
    type: Annotated[str, DISK_TYPE] = "pd-balanced"


class Via(StrEnum):
    """How SSH gets to a VM."""

    DIRECT = "direct"
    IAP = "iap"


class SshConfig(msgspec.Struct, frozen=True):
    """How the laptop's side gets to the VMs."""

    user: Annotated[str, USER] = "iris"
    port: Annotated[int, PORT] = 22
    key: Annotated[str, LINE] = ""
    via: Annotated[Via, OneOf(Via)] = Via.DIRECT
    proxy_command: Annotated[str, LINE] = ""
    os_login: Annotated[bool, Flag()] = False
