"""Slices, workers and controllers as tables."""

from __future__ import annotations

import time
from collections.abc import Sequence

from iris.commands._tables import ago, table
from iris.domain.views import SliceView, WorkerView
from iris.providers.contract import ControllerMachine

GB = 1_000_000_000


def slice_table(slices: Sequence[SliceView]) -> str:
    """Slices, one line each."""
    now = time.time()
    rows = [
        (
            each.name,
            each.group,
            each.zone,
            each.state,
            f"{each.registered}/{each.vms}",
            each.live_attempts,
            ago(each.requested_at, now),
            each.because,
            each.next_step,
        )
        for each in slices
    ]
    heads = ("SLICE", "GROUP", "ZONE", "STATE", "WORKERS", "RUNS", "AGE", "BECAUSE")
    return table((*heads, "NEXT"), rows)


def worker_table(workers: Sequence[WorkerView]) -> str:
    """Workers, one line each."""
    rows = [
        (
            f"{each.slice_name}/{each.index}",
            each.uid,
            each.draining or each.state,
            f"{each.free.cpus:g}/{each.resources.cpus:g}",
            f"{each.free.memory_bytes / GB:.0f}/{each.resources.memory_bytes / GB:.0f}",
            f"{each.free.chips}/{each.resources.chips}",
            each.live_attempts,
            f"{each.heard_seconds_ago:.1f}s ago",
        )
        for each in workers
    ]
    heads = ("WORKER", "UID", "STATE", "CPUS FREE", "GB FREE", "CHIPS FREE", "RUNS")
    return table((*heads, "HEARD"), rows)


def machine_table(machines: Sequence[ControllerMachine]) -> str:
    """Machines of controllers, one line each."""
    now = time.time()
    rows = [
        (m.name, m.cluster_uid, m.zone, m.phase, m.address, ago(m.created_at, now))
        for m in machines
    ]
    return table(("CONTROLLER", "UID", "ZONE", "PHASE", "ADDRESS", "AGE"), rows)
