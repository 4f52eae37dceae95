"""What the API is made of; `main` puts it together, tests do so too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from iris.clock import Clock
from iris.controller.bell import Bell
from iris.controller.bundle_store import BundleStore
from iris.controller.disk import StateDisk
from iris.controller.history import History
from iris.controller.logs import LogStore
from iris.controller.metrics import Metrics
from iris.controller.output_store import OutputStore
from iris.controller.places import REQUESTS, STREAMS, Places
from iris.controller.secret_store import SecretStore
from iris.controller.state import State
from iris.controller.views import JobViews
from iris.domain.costs import Standing
from iris.domain.views import LoopHealth
from iris.planning.plans import CapacityPlan


def _no_loops() -> tuple[LoopHealth, ...]:
    return ()


def _no_plan() -> CapacityPlan | None:
    return None


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All that routes work on."""

    state: State
    history: History
    logs: LogStore
    outputs: OutputStore
    bundles: BundleStore
    secrets: SecretStore
    disk: StateDisk
    metrics: Metrics
    clock: Clock
    config_text: str
    log_file: Path  # the controller's own
    runtime: str = "process"  # the workers'
    standing: tuple[Standing, ...] = ()  # what the controller itself takes
    started_at: float = 0.0
    loops: Callable[[], tuple[LoopHealth, ...]] = _no_loops
    capacity: Callable[[], CapacityPlan | None] = _no_plan  # the last one made
    streams: Places = field(default_factory=lambda: Places("streams", STREAMS))
    requests: Places = field(default_factory=lambda: Places("requests", REQUESTS))
    bell: Bell = field(default_factory=Bell)
    closing: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def jobs(self) -> JobViews:
        """Questions about jobs."""
        return JobViews(self.state, self.history, self.clock)
