"""What the parts of a controller take from its cluster file."""

from __future__ import annotations

from iris.config import ClusterConfig
from iris.config.cloud import BootDiskConfig, StateDiskConfig
from iris.config.measures import write_size
from iris.controller.asking import Pace
from iris.controller.job_log import LogBounds
from iris.controller.kernel import Tuning
from iris.domain.costs import Standing
from iris.domain.jobs import Capacity
from iris.domain.prices import disk_price, vm_price
from iris.planning.retention import RetentionBounds

_EAGER = {"local": 0.5}  # seconds; its listings look at the processes themselves


def tuning_of(config: ClusterConfig, cluster_uid: str) -> Tuning:
    """Who the cluster is, and what one user or attempt may have."""
    return Tuning(
        config.name,
        cluster_uid,
        user_limits=config.limits(),
        output_bytes=config.worker.output,
    )


def pace_of(config: ClusterConfig) -> Pace:
    """How often the autoscaler looks and asks."""
    return Pace(
        evaluation_interval=config.autoscaler.evaluation_interval,
        eager_interval=_EAGER.get(config.provider.kind, Pace().eager_interval),
        suspect_after=config.worker.suspect_after,
        lost_after=config.worker.lost_after,
    )


def log_bounds_of(config: ClusterConfig) -> LogBounds:
    """How much is kept of the output of live jobs."""
    return LogBounds(config.retention.logs_per_task, config.retention.logs_per_job)


def retention_bounds_of(config: ClusterConfig) -> RetentionBounds:
    """How much is kept of the past."""
    kept = config.retention
    return RetentionBounds(kept.jobs, kept.jobs_for, kept.logs, kept.outputs)


def standing_of(config: ClusterConfig) -> tuple[Standing, ...]:
    """What a cloud bills for the controller; on this machine nothing."""
    if config.provider.gcp is None:
        return ()
    ours = config.controller
    price = vm_price(ours.machine_type, Capacity.ON_DEMAND, config.provider.zone)
    return (
        Standing("VM", ours.machine_type, price),
        _disk("boot disk", ours.boot_disk),
        _disk("state disk", ours.state_disk, is_kept=True),
    )


def _disk(
    what: str, disk: BootDiskConfig | StateDiskConfig, *, is_kept: bool = False
) -> Standing:
    kind = f"{disk.type} {write_size(disk.size)}"
    return Standing(what, kind, disk_price(disk.type, disk.size), is_kept)
