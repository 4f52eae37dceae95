"""What a fresh VM is told about itself, whichever cloud it lies in."""

from __future__ import annotations

import msgspec

from iris.domain.resources import Resources

CACHE_BYTES = 20 * 10**9
OUTPUT_BYTES = 10**9  # of one attempt, before they are packed
CHIPS_TIMEOUT = 60.0  # seconds


class VmMetadata(msgspec.Struct, frozen=True):
    """Who this VM is, and where its controller was when it was made.

    Locally a file of the VM's folder (0600); on Google Cloud the metadata server.
    """

    cluster: str
    cluster_uid: str
    slice_name: str
    slice_uid: str
    index: int
    vms: int
    address: str  # this VM's own
    resources: Resources
    runtime: str  # "process" or "docker"
    controller_url: str
    join_token: str
    controller_file: str = ""  # local: AddressFile of the controller, kept current
    metadata_address: str = ""  # cloud: where its server answers, which knows more
    path_prefix: str = ""  # put before PATH of every attempt
    cache_bytes: int = CACHE_BYTES  # of what its attempts share
    image: str = ""  # of containers, where a job names none
    chips_timeout: float = CHIPS_TIMEOUT  # seconds for strangers to let go of them


class AddressFile(msgspec.Struct, frozen=True):
    """Where a controller on this machine listens; written once it does."""

    url: str
    pid: int
    cluster_uid: str
