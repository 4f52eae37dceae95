"""What a VM on a cloud is told in its metadata: the scripts verbatim, values beside.

Nothing is filled into a script: the scripts read the values from the metadata server,
so that no text of a cluster file is ever a word of a shell.
"""

from __future__ import annotations

import base64
import gzip
from typing import Protocol

import msgspec

from iris.config import ClusterConfig
from iris.domain.fleet import ScaleGroup
from iris.paths import bootstrap_folder


class Sliced(Protocol):
    """The words of a slice's request."""

    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def group(self) -> ScaleGroup: ...
    @property
    def controller_url(self) -> str: ...
    @property
    def join_tokens(self) -> tuple[str, ...]: ...
    @property
    def boot_token(self) -> str: ...


MOST_IN_ATTRIBUTE = 250_000  # characters; the cloud takes 256 KiB


def controller_attributes(
    config: ClusterConfig, cluster_uid: str, config_text: str, ssh_keys: str
) -> dict[str, str]:
    """The attributes of the controller's VM; none of them is a secret."""
    return {
        "startup-script": _script("controller.sh"),
        **config_attributes(config_text),
        "iris-cluster": config.name,
        "iris-uid": cluster_uid,
        "iris-image": config.controller.image,
        "iris-port": str(config.controller.port),
        **_access(config, ssh_keys),
    }


def slice_attributes(
    config: ClusterConfig, cluster_uid: str, request: Sliced, ssh_keys: str
) -> dict[str, str]:
    """The attributes of a slice's VMs.

    Its join tokens are good once each; its boot token only reports how a boot goes,
    for a VM that was not told its index.
    """
    group = request.group
    attributes = {
        "startup-script": _script("worker.sh"),
        "iris-cluster": config.name,
        "iris-uid": cluster_uid,
        "iris-slice": request.name,
        "iris-slice-uid": request.uid,
        "iris-group": group.name,
        "iris-vms": str(group.vms),
        "iris-resources": msgspec.json.encode(group.resources).decode(),
        "iris-runtime": str(config.worker.runtime),
        "iris-image": config.worker.image,
        "iris-cache-bytes": str(config.worker.cache),
        "iris-chips-timeout": str(config.worker.chips_timeout),
        "iris-controller": request.controller_url,
        "iris-boot-token": request.boot_token,
        **{
            f"iris-join-token-{index}": token
            for index, token in enumerate(request.join_tokens)
        },
        **_access(config, ssh_keys),
    }
    if not group.accelerator:
        attributes["iris-index"] = "0"
    return attributes


def config_attributes(text: str) -> dict[str, str]:
    """The cluster file: gzip in base64, in two attributes where one is too small.

    200 KB fit into 256, save where they are of letters that hardly repeat.
    """
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    first, rest = packed[:MOST_IN_ATTRIBUTE], packed[MOST_IN_ATTRIBUTE:]
    return {"iris-config": first, **({"iris-config-rest": rest} if rest else {})}


def _access(config: ClusterConfig, ssh_keys: str) -> dict[str, str]:
    attributes = {"enable-guest-attributes": "TRUE"}
    if config.ssh.os_login:
        attributes["enable-oslogin"] = "TRUE"
    elif ssh_keys:
        attributes["ssh-keys"] = ssh_keys
    return attributes


def _script(name: str) -> str:
    return (bootstrap_folder() / name).read_text()
