"""What the cloud says while the worker lives: where the controller is, when to go."""

from __future__ import annotations

from iris.domain.machine import VmMetadata
from iris.worker.agent.heart import Heart
from iris.worker.surroundings import PREEMPTED, MetadataServer, is_preempted, watch

MAINTAINED = "the cloud takes this VM for maintenance"
TERMINATE = "TERMINATE_ON_HOST_MAINTENANCE"  # the other kind moves the VM, alive
# Seconds that attempts have from a notice on, a little less than the cloud gives: what
# they said at last is to arrive too.
AFTER_PREEMPTION = 25.0  # of 30
BEFORE_MAINTENANCE = 50.0  # of 60


def listen_to_cloud(metadata: VmMetadata, heart: Heart) -> None:
    """Tell the heart, for ever; a VM that is a folder hears nothing."""
    if not metadata.metadata_address:
        return
    server = MetadataServer(metadata.metadata_address)

    def moved(url: str) -> None:
        heart.leave(url.strip())

    def preempted(value: str) -> None:
        if value.strip().upper() == "TRUE":
            heart.take_notice(PREEMPTED, AFTER_PREEMPTION)

    def maintained(value: str) -> None:
        if value.strip() == TERMINATE:
            heart.take_notice(MAINTAINED, BEFORE_MAINTENANCE)

    watch(server, "attributes/iris-controller", moved)
    watch(server, "preempted", preempted)
    watch(server, "maintenance-event", maintained)


def ask_cloud(metadata: VmMetadata) -> str:
    """Why this VM goes, by a question of its own; empty if it does not."""
    return PREEMPTED if is_preempted(metadata.metadata_address) else ""
