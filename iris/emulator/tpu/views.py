"""Slices and queued resources as Cloud TPU writes them in JSON."""

from __future__ import annotations

from iris.domain.accelerators import CATALOGUE
from iris.emulator.tpu.catalogue import config_of
from iris.emulator.tpu.operations import when
from iris.emulator.tpu.records import Json, Queued, QueuedState, State, TpuSlice

SLICE_TYPE = "type.googleapis.com/google.cloud.tpu.v2.Node"
QUEUED_TYPE = "type.googleapis.com/google.cloud.tpu.v2.QueuedResource"
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
_KEPT = (
    *("description", "runtimeVersion", "networkConfig", "networkConfigs", "labels"),
    *("schedulingConfig", "metadata", "tags", "dataDisks", "shieldedInstanceConfig"),
)


def slice_view(tpu: TpuSlice, account: str) -> Json:
    """One slice."""
    kind, topology = config_of(CATALOGUE[tpu.accelerator])
    view: Json = {
        "name": tpu.path,
        "acceleratorType": tpu.accelerator,
        "acceleratorConfig": {"type": kind, "topology": topology},
        "state": str(tpu.state),
        "id": tpu.id,
        "createTime": when(tpu.created_at),
        "apiVersion": "V2",
        "cidrBlock": "",
        "serviceAccount": tpu.asked.get("serviceAccount")
        or {"email": account, "scope": [CLOUD_PLATFORM]},
    }
    view |= {key: tpu.asked[key] for key in _KEPT if key in tpu.asked}
    network = f"projects/{tpu.project}/global/networks/default"
    view.setdefault("networkConfig", {"network": network})
    if tpu.health or tpu.state == State.READY:
        view["health"] = tpu.health or "HEALTHY"
    if tpu.health_description:
        view["healthDescription"] = tpu.health_description
    if tpu.queued:
        parent = f"projects/{tpu.project}/locations/{tpu.zone}"
        view["queuedResource"] = f"{parent}/queuedResources/{tpu.queued}"
    if tpu.set_size > 1:
        view["multisliceNode"] = True
    if tpu.is_booted:
        view["networkEndpoints"] = [_endpoint(tpu, n) for n in range(len(tpu.vms))]
    return view


def without_endpoints(view: Json, how: int) -> Json:
    """What a reader may meet of a slice that comes up, in three ways."""
    endpoints = view.get("networkEndpoints", [])
    rest = {key: value for key, value in view.items() if key != "networkEndpoints"}
    shown: tuple[list[Json], ...] = (
        [],
        [{"port": each["port"]} for each in endpoints],
        endpoints[: len(endpoints) // 2],
    )
    found = shown[how % len(shown)]
    return rest | ({"networkEndpoints": found} if found else {})


def _endpoint(tpu: TpuSlice, worker: int) -> Json:
    vm = tpu.vms[worker]
    endpoint: Json = {"ipAddress": vm.internal_ip, "port": 8470}
    if vm.external_ip:
        endpoint["accessConfig"] = {"externalIp": vm.external_ip}
    return endpoint


def queued_view(queued: Queued) -> Json:
    """One queued resource."""
    state: Json = {"state": str(queued.state)}
    if queued.state is not QueuedState.WAITING:  # that one has no field of its own
        state[f"{queued.state.lower()}Data"] = {}
    if queued.initiator:
        state["stateInitiator"] = queued.initiator
    if queued.error:
        state["failedData"] = {"error": queued.error}
    view = {k: v for k, v in queued.asked.items() if k not in ("name", "state")}
    return {
        "name": queued.path,
        "createTime": when(queued.created_at),
        **view,
        "state": state,
    }
