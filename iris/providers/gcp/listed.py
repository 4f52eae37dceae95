"""Slices as Google Cloud lists them, in Iris's terms."""

from __future__ import annotations

from typing import Any

from iris.providers.contract import CloudSlice, Phase
from iris.providers.gcp import vms
from iris.providers.gcp.compute import Json, last
from iris.providers.gcp.labels import GROUP, SLICE, seconds_of

CONTROLLER_URL = "iris-controller"
_PHASES = {
    "CREATING": Phase.CREATING,
    "STARTING": Phase.CREATING,
    "READY": Phase.UP,
    "DELETING": Phase.DELETING,
    "STOPPING": Phase.STOPPED,
    "STOPPED": Phase.STOPPED,
    "TERMINATED": Phase.STOPPED,
    "PREEMPTED": Phase.PREEMPTED,
}
_QUEUED_PHASES = {
    "CREATING": Phase.CREATING,
    "ACCEPTED": Phase.CREATING,
    "WAITING_FOR_RESOURCES": Phase.CREATING,
    "PROVISIONING": Phase.CREATING,
    "FAILED": Phase.STOPPED,
    "SUSPENDING": Phase.PREEMPTED,
    "SUSPENDED": Phase.PREEMPTED,
    "DELETING": Phase.DELETING,
}
# States in which nothing runs: what is suspended runs on when it is resumed.
_ENDED_STATES = ("STOPPED", "TERMINATED", "PREEMPTED")
_OVER = (Phase.STOPPED, Phase.PREEMPTED, Phase.DELETING)


def of_tpu(types: Any, each: Any, queued: Any) -> CloudSlice:
    """A TPU slice, and the request from the queue that it came of, if any."""
    state = state_of(types, each)
    phase = _PHASES.get(state, Phase.UNCLEAR)
    words = str(each.health_description)
    if queued is not None:
        in_queue, why = standing(types, queued)
        if in_queue in _OVER and phase not in _OVER:
            phase, words = in_queue, why
    if phase not in (Phase.CREATING, Phase.UP):
        words = f"{state}: {words}" if words else state
    return CloudSlice(
        name=last(each.name),
        uid=each.labels.get(SLICE, ""),
        group=each.labels.get(GROUP, ""),
        zone=each.name.split("/")[3],
        phase=phase,
        created_at=seconds_of(each.create_time),
        words=words,
        controller_url=each.metadata.get(CONTROLLER_URL, ""),
        is_over=state in _ENDED_STATES,
        addresses=tuple(vm.ip_address for vm in each.network_endpoints),
    )


def of_queued(types: Any, each: Any) -> CloudSlice:
    """A request that has no slice yet, or no more."""
    labels = queued_labels(each)
    phase, words = standing(types, each)
    return CloudSlice(
        name=last(each.name),
        uid=labels.get(SLICE, ""),
        group=labels.get(GROUP, ""),
        zone=each.name.split("/")[3],
        phase=phase,
        created_at=seconds_of(each.create_time),
        words=words,
    )


def standing(types: Any, queued: Any) -> tuple[Phase, str]:
    """What the queue says of a request, and its words."""
    states = types.QueuedResourceState.State
    number = types.QueuedResource.pb(queued).state.state
    state = _name_of(states, number)
    words = queued.state.failed_data.error.message or state
    return _QUEUED_PHASES.get(state, Phase.UNCLEAR), words


def state_of(types: Any, each: Any) -> str:
    """What the cloud calls the state of a TPU slice."""
    return _name_of(types.Node.State, types.Node.pb(each).state)


def _name_of(states: Any, number: int) -> str:
    """New states appear: they have a number before they have a name here."""
    known = {int(state): str(state.name) for state in states}
    return known.get(number, f"state {number}")


def queued_labels(queued: Any) -> dict[str, str]:
    """Those of the slice that it is to become."""
    specs = queued.tpu.node_spec
    return dict(specs[0].node.labels) if specs else {}


def of_vm(vm: Json) -> CloudSlice:
    """A plain VM."""
    labels, phase = vm.get("labels", {}), vms.phase_of(vm)
    items = vm.get("metadata", {}).get("items", [])
    urls = [i.get("value", "") for i in items if i.get("key") == CONTROLLER_URL]
    return CloudSlice(
        name=vm["name"],
        uid=labels.get(SLICE, ""),
        group=labels.get(GROUP, ""),
        zone=last(vm["zone"]),
        phase=phase,
        created_at=seconds_of(vm.get("creationTimestamp")),
        words="" if phase in (Phase.CREATING, Phase.UP) else str(vm.get("status")),
        controller_url="".join(urls),
        is_over=vm.get("status") in _ENDED_STATES,
        addresses=(vms.internal_ip(vm),),
    )
