"""What the parts of the agent share."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from iris.clock import Clock
from iris.domain.machine import VmMetadata
from iris.worker.agent.caches import Caches
from iris.worker.agent.collecting import Collector
from iris.worker.agent.desk import Desk
from iris.worker.agent.going import Going
from iris.worker.agent.shipping import Shipper
from iris.worker.folders import VmFolder
from iris.worker.messages import ToKeeper


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, as its agent knows it."""

    folder: VmFolder
    metadata: VmMetadata
    clock: Clock
    desk: Desk
    shipper: Shipper
    collector: Collector
    caches: Caches
    going: Going
    wake: threading.Event  # set, and the next heartbeat leaves at once
    tell: Callable[[ToKeeper], None]
    token: Callable[[], str]  # what speaks for us at the moment
