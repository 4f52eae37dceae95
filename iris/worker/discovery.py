"""Who this VM is, and where its controller listens now."""

from __future__ import annotations

import msgspec

from iris.domain.machine import AddressFile, VmMetadata
from iris.errors import Unreachable, UsageError
from iris.worker.folders import VmFolder


def read_metadata(folder: VmFolder) -> VmMetadata:
    """Who this VM is. Raises UsageError if it is not told whole.

    A missing index is an error, never index 0: two VMs with the same index wait
    for their siblings for ever.
    """
    try:
        metadata = msgspec.json.decode(folder.metadata.read_bytes(), type=VmMetadata)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{folder.metadata}: {error}") from error
    if not 0 <= metadata.index < metadata.vms:
        raise UsageError(
            f"{folder.metadata}: index {metadata.index} of {metadata.vms} VMs"
        )
    return metadata


def controller_url(metadata: VmMetadata) -> str:
    """Where the controller listens: its own file says, where there is one.

    Raises Unreachable while it listens nowhere, or is another cluster's.
    """
    if not metadata.controller_file:
        return metadata.controller_url
    try:
        with open(metadata.controller_file, "rb") as file:
            address = msgspec.json.decode(file.read(), type=AddressFile)
    except (OSError, msgspec.MsgspecError) as error:
        raise Unreachable(f"{metadata.controller_file}: {error}") from error
    if address.cluster_uid != metadata.cluster_uid:
        raise Unreachable(f"{metadata.controller_file} is another cluster's")
    return address.url
