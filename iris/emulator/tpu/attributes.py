"""What a VM of a slice finds on its metadata server: who it is, who is beside it."""

from __future__ import annotations

from iris.domain.accelerators import CATALOGUE
from iris.emulator.machines import Vm
from iris.emulator.tpu.catalogue import bounds_of, config_of, machine_type_of
from iris.emulator.tpu.records import TpuSlice

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"

_COMMON = {"enable-guest-attributes": "TRUE"}  # gcloud looks there for SSH keys of VMs


def vm_of(tpu: TpuSlice, worker: int, project_number: int) -> Vm:
    """One VM of the slice, as the driver boots it."""
    made = CATALOGUE[tpu.accelerator]
    account = tpu.asked.get("serviceAccount") or {}
    default = f"{project_number}-compute@developer.gserviceaccount.com"
    return Vm(
        id=tpu.vms[worker].id,
        name=f"t1v-n-{tpu.mark}-w-{worker}",
        project=tpu.project,
        project_number=project_number,
        zone=tpu.zone,
        machine_type=machine_type_of(made),
        internal_ip=tpu.vms[worker].internal_ip,
        external_ip=tpu.vms[worker].external_ip,
        attributes=attributes_of(tpu, worker, project_number),
        service_account=account.get("email") or default,
        scopes=tuple(account.get("scope") or (CLOUD_PLATFORM,)),
        tags=tuple(tpu.asked.get("tags") or ()),
        labels=dict(tpu.asked.get("labels") or {}),
        image=str(tpu.asked.get("runtimeVersion", "")),
        preemptible=tpu.is_spot,
    )


def attributes_of(tpu: TpuSlice, worker: int, project_number: int) -> dict[str, str]:
    """All that `instance/attributes/` shows on one VM of the slice."""
    own = {
        "accelerator-type": tpu.accelerator,
        "agent-worker-number": "" if worker in tpu.blank else str(worker),
        "instance-id": tpu.name,
        "worker-network-endpoints": ",".join(
            f"unknown:unknown:{vm.internal_ip}" for vm in tpu.vms
        ),
        "tpu-env": render_tpu_env(tpu, worker, project_number),
    }
    return _COMMON | dict(tpu.asked.get("metadata") or {}) | own


def render_tpu_env(tpu: TpuSlice, worker: int, project_number: int) -> str:
    """The lines `KEY: 'value'` that torch_xla reads."""
    made = CATALOGUE[tpu.accelerator]
    chips_bounds, vm_bounds = bounds_of(made)
    lines = {
        "ACCELERATOR_TYPE": tpu.accelerator,
        "TYPE": config_of(made)[0],
        "TOPOLOGY": tpu.topology,
        "CHIPS_PER_HOST_BOUNDS": chips_bounds,
        "HOST_BOUNDS": vm_bounds,
        "TPU_CHIPS_PER_PROCESS_BOUNDS": chips_bounds,
        "TPU_PROCESS_BOUNDS": vm_bounds,
        "TPU_TOPOLOGY_WRAP": "false,false,false",
        "WORKER_ID": "" if worker in tpu.blank else str(worker),
        "NODE_ID": tpu.name,
        "ZONE": tpu.zone,
        "PREEMPTIBLE": "true" if tpu.is_spot else "false",
        "RUNTIME_VERSION": str(tpu.asked.get("runtimeVersion", "")),
        "UID": tpu.id,
        "CONSUMER_PROJECT_ID": tpu.project,
        "CONSUMER_PROJECT_NUMBER": str(project_number),
    }
    if tpu.set_size > 1:
        lines |= {
            "MEGASCALE_COORDINATOR_ADDRESS": tpu.coordinator,
            "MEGASCALE_NUM_SLICES": str(tpu.set_size),
            "MEGASCALE_SLICE_ID": str(tpu.set_index),
        }
    return "\n".join(f"{key}: '{value}'" for key, value in lines.items())
