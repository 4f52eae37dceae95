"""What the ledger keeps of slices and queued resources."""

from __future__ import annotations

from iris.emulator.ledger import Entry
from iris.emulator.tpu.records import Queued, TpuSlice


def entry_of_slice(tpu: TpuSlice) -> Entry:
    """A slice that was made just now."""
    wanted = tpu.asked.get("schedulingConfig") or {}
    capacity = "reserved" if wanted.get("reserved") else "on-demand"
    return Entry(
        kind="slice",
        id=tpu.id,
        name=tpu.name,
        project=tpu.project,
        zone=tpu.zone,
        type=tpu.accelerator,
        capacity="spot" if tpu.is_spot else capacity,
        labels=dict(tpu.asked.get("labels") or {}),
        state=str(tpu.state),
        created_at=tpu.created_at,
    )


def entry_of_queued(queued: Queued, type_: str, labels: dict[str, str]) -> Entry:
    """A queued resource that was accepted just now."""
    return Entry(
        kind="queued-resource",
        id=queued.id,
        name=queued.name,
        project=queued.project,
        zone=queued.zone,
        type=type_,
        capacity="spot" if "spot" in queued.asked else "queued",
        labels=labels,
        state=str(queued.state),
        created_at=queued.created_at,
    )
