"""What every resource of a cluster is called, and by which labels it is known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from iris.config import ClusterConfig

CLUSTER, UID, ROLE = "iris-cluster", "iris-uid", "iris-role"
GROUP, SLICE = "iris-group", "iris-slice"
CONTROLLER_ROLE, SLICE_ROLE, STATE_ROLE = "controller", "slice", "state"


def labels_of(
    config: ClusterConfig, uid: str, role: str, **more: str
) -> dict[str, str]:
    """The labels of one resource; the owner's stand beside ours."""
    ours = {CLUSTER: config.name, UID: uid, ROLE: role}
    return dict(config.labels) | ours | {f"iris-{k}": v for k, v in more.items()}


def is_of(labels: Mapping[str, str], cluster: str, uid: str) -> bool:
    """Does it belong to exactly this cluster? An empty uid means any of the name."""
    if labels.get(CLUSTER) != cluster:
        return False
    return uid in ("", labels.get(UID))


def seconds_of(when: Any) -> float:
    """A time as the clouds write it, in seconds since the epoch; 0 for none."""
    if not when:
        return 0.0
    if hasattr(when, "timestamp"):
        return float(when.timestamp())
    try:
        return datetime.fromisoformat(str(when)).timestamp()
    except ValueError:
        return 0.0
