"""What the parts of a controller take from its cluster file."""

from __future__ import annotations

from iris.config import ClusterConfig
from iris.controller.asking import Pace
from iris.controller.job_log import LogBounds
from iris.controller.kernel import Tuning
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
