"""Who this VM is, and where its controller listens now."""

from __future__ import annotations

import msgspec

from iris.domain.machine import AddressFile, VmMetadata
from iris.errors import Unreachable, UsageError
from iris.worker.folders import VmFolder
from iris.worker.surroundings import (
    MetadataServer,
    metadata_address,
    read_surroundings,
)

LOOK_PATIENCE = 2.0  # seconds; whoever looks tries again anyway


def read_metadata(folder: VmFolder) -> VmMetadata:
    """Who this VM is. Raises UsageError if it is not told whole.

    A missing index is an error, never index 0: two VMs with the same index wait
    for their siblings for ever.
    """
    try:
        content = folder.metadata.read_bytes()
    except FileNotFoundError:
        return _told_by_cloud()
    except OSError as error:
        raise UsageError(f"{folder.metadata}: {error}") from error
    try:
        metadata = msgspec.json.decode(content, type=VmMetadata)
    except msgspec.MsgspecError as error:
        raise UsageError(f"{folder.metadata}: {error}") from error
    _require_index(metadata, str(folder.metadata))
    return metadata


def _told_by_cloud() -> VmMetadata:
    server = MetadataServer(metadata_address())
    metadata = read_surroundings(server)
    _require_index(metadata, server.address)
    return metadata


def _require_index(metadata: VmMetadata, source: str) -> None:
    if not 0 <= metadata.index < metadata.vms:
        raise UsageError(f"{source}: index {metadata.index} of {metadata.vms} VMs")


def controller_url(metadata: VmMetadata) -> str:
    """Where the controller listens: its own file says, or the cloud, as of now.

    Raises Unreachable while it listens nowhere, or is another cluster's.
    """
    if metadata.metadata_address:
        return _announced(metadata)
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


def _announced(metadata: VmMetadata) -> str:
    server = MetadataServer(metadata.metadata_address, LOOK_PATIENCE)
    told = server.get("attributes/iris-controller")
    # blank or gone says nothing: it is where it was
    return (told.value.strip() if told else "") or metadata.controller_url
