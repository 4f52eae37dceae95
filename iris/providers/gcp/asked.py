"""Slices as Google Cloud is asked for them."""

from __future__ import annotations

from typing import Any

import msgspec

from iris.config import ClusterConfig
from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import Capacity
from iris.errors import Rejected
from iris.providers.contract import SliceRequest
from iris.providers.gcp import vms
from iris.providers.gcp.labels import SLICE_ROLE, labels_of


class Asked(msgspec.Struct, frozen=True):
    """One slice that is asked for, in the words of the cluster that asks."""

    config: ClusterConfig
    uid: str  # of the cluster
    request: SliceRequest
    attributes: dict[str, str]

    @property
    def labels(self) -> dict[str, str]:
        """Those of everything that comes of it."""
        more = {"group": self.request.group.name, "slice": self.request.uid}
        return labels_of(self.config, self.uid, SLICE_ROLE, **more)


def plain_vm(asked: Asked) -> vms.Json:
    """A VM of a group without an accelerator. Raises Rejected."""
    group, config = asked.request.group, asked.config
    if not group.machine_type:
        raise Rejected(
            f"scale group {group.name!r} names no machine_type",
            hint="On Google Cloud a group of plain VMs needs one.",
        )
    words = vms.VmWords(
        zone=asked.request.zone,
        name=asked.request.name,
        machine_type=group.machine_type,
        labels=asked.labels,
        attributes=asked.attributes,
    )
    body = vms.vm_body(config, config.worker, words)
    if group.capacity is Capacity.SPOT:
        body["scheduling"] = vms.spot()
    return body


def tpu_slice(types: Any, asked: Asked) -> Any:
    """A TPU slice, by the cloud's own messages."""
    worker, gcp = asked.config.worker, asked.config.provider.gcp
    assert gcp is not None  # this provider is named by that key
    group = asked.request.group
    made = types.Node(
        accelerator_type=group.accelerator,
        runtime_version=group.runtime_version,
        labels=asked.labels,
        metadata=asked.attributes,
        tags=list(worker.tags),
        network_config=types.NetworkConfig(
            network=_network(gcp.project, gcp.network),
            subnetwork=gcp.subnetwork,
            enable_external_ips=worker.external_ip,
        ),
        scheduling_config=_scheduling(types, group),
    )
    made.service_account = types.ServiceAccount(
        email=worker.service_account, scope=list(worker.scopes)
    )
    return made


def queued(types: Any, asked: Asked, location: str) -> Any:
    """A place in the queue, which it leaves by itself: later it would be an orphan."""
    spec = types.QueuedResource.Tpu.NodeSpec(
        parent=location,
        node_id=asked.request.name,
        node=tpu_slice(types, asked),
    )
    patience = {"seconds": int(asked.request.group.create_timeout)}
    return types.QueuedResource(
        tpu=types.QueuedResource.Tpu(node_spec=[spec]),
        queueing_policy=types.QueuedResource.QueueingPolicy(
            valid_until_duration=patience
        ),
    )


def _scheduling(types: Any, group: ScaleGroup) -> Any:
    return types.SchedulingConfig(
        spot=group.capacity is Capacity.SPOT,
        reserved=group.capacity is Capacity.RESERVED,
    )


def _network(project: str, network: str) -> str:
    return (
        network if "/" in network else f"projects/{project}/global/networks/{network}"
    )
