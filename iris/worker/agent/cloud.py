"""What the cloud says while the worker lives: where the controller is, when to go."""

from __future__ import annotations

from iris.domain.machine import VmMetadata
from iris.worker.agent.heart import Heart
from iris.worker.surroundings import MetadataServer, watch

TERMINATE = "TERMINATE_ON_HOST_MAINTENANCE"  # the other kind moves the VM, alive


def listen_to_cloud(metadata: VmMetadata, heart: Heart) -> None:
    """Tell the heart, for ever; a VM that is a folder hears nothing."""
    if not metadata.metadata_address:
        return
    server = MetadataServer(metadata.metadata_address)

    def moved(url: str) -> None:
        heart.leave(url.strip())

    def preempted(value: str) -> None:
        if value.strip().upper() == "TRUE":
            heart.take_notice("the cloud preempts this VM")

    def maintained(value: str) -> None:
        if value.strip() == TERMINATE:
            heart.take_notice("the cloud takes this VM for maintenance")

    watch(server, "attributes/iris-controller", moved)
    watch(server, "preempted", preempted)
    watch(server, "maintenance-event", maintained)
