"""Faults on request: which are planned, which of them strikes now."""

from __future__ import annotations

import fnmatch
import threading
from enum import StrEnum

import msgspec

from iris.clock import Clock


class FaultKind(StrEnum):
    """What can go wrong; gcp-contract.md section 13, case by case."""

    STOCKOUT = "stockout"  # late, by the operation; `queued` stays waiting
    QUOTA = "quota"  # 429 with QuotaFailure, or Compute's 403 quotaExceeded
    NOT_PERMITTED = "not-permitted"  # 403
    NOT_AUTHENTICATED = "not-authenticated"  # 401
    ZONE_CLOSED = "zone-closed"  # 403 for the zone, 404 on Compute
    UNAVAILABLE = "unavailable"  # 503, or `status`
    RATE_LIMITED = "rate-limited"  # 429 RATE_LIMIT_EXCEEDED
    REPLY_LOST = "reply-lost"  # the connection is cut after the effect
    REPLY_GARBLED = "reply-garbled"  # cut short after the effect
    SLOW_REPLY = "slow-reply"  # `seconds` before the answer
    STALE_LIST = "stale-list"  # lists as they were `seconds` ago
    PREEMPTION = "preemption"  # of the slice or VM, `notice` seconds of warning
    MAINTENANCE = "maintenance"
    DEAD_WORKER = "dead-worker"  # all processes of VM `worker` die, READY stays
    PARTIAL_SLICE = "partial-slice"  # VM `worker` never boots
    NO_INDEX = "no-index"  # VM `worker` has a blank agent-worker-number
    LATE_METADATA = "late-metadata"  # `seconds` until a VM's metadata answers
    METADATA_UNAVAILABLE = "metadata-unavailable"  # 503s of a metadata server
    SSH_CUT = "ssh-cut"  # every SSH connection to the VM is cut, once for each time
    PULL_DENIED = "pull-denied"  # `docker pull` fails as if not permitted
    PULL_FAILS = "pull-fails"  # `docker pull` fails in passing
    LATE_OPERATION = "late-operation"  # done `seconds` after READY; 0 never
    BARE_ENDPOINTS = "bare-endpoints"  # networkEndpoints missing while CREATING
    UNKNOWN_STATE = "unknown-state"
    OWN_METADATA_TYPE = "own-metadata-type"  # operations carry v2's own Any type
    SMALL_PAGES = "small-pages"  # pages of one entry
    UNREACHABLE_ZONE = "unreachable-zone"  # `unreachable` set in lists
    SUSPENDED = "suspended"  # a queued resource, by the service


class Fault(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One fault: what, where, when, how often. Empty words match anything."""

    kind: FaultKind
    api: str = ""  # compute | tpu | metadata | ssh | docker
    verb: str = ""  # create | delete | get | list | update | operation
    zone: str = ""
    type: str = ""  # accelerator or machine type, fnmatch pattern
    name: str = ""  # of the resource, fnmatch pattern
    worker: int | None = None  # one VM of a slice
    times: int = 1  # strikes so often; 0 for ever
    after: float = 0.0  # seconds from its injection
    until: float = 0.0  # seconds from its injection, 0 without end
    seconds: float = 0.0
    notice: float = 0.0
    status: int = 503


class Strike(msgspec.Struct, frozen=True):
    """A fault that struck, for the report."""

    at: float
    kind: FaultKind
    what: str


class _Planned(msgspec.Struct):
    id: int
    fault: Fault
    planned_at: float
    left: int


class Faults:
    """The plan; thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._planned: list[_Planned] = []
        self._struck: list[Strike] = []
        self._last = 0

    def inject(self, fault: Fault) -> int:
        """Plan one; returns its id."""
        with self._lock:
            self._last += 1
            left = fault.times or -1
            planned = _Planned(self._last, fault, self._clock.now(), left)
            self._planned.append(planned)
            return self._last

    def withdraw(self, fault_id: int | None = None) -> None:
        """Take one back, or all."""
        with self._lock:
            keep = [p for p in self._planned if fault_id not in (None, p.id)]
            self._planned = keep

    def planned(self) -> tuple[tuple[int, Fault], ...]:
        """Those that may still strike."""
        with self._lock:
            return tuple((p.id, p.fault) for p in self._planned)

    def struck(self) -> tuple[Strike, ...]:
        """Those that did, oldest first."""
        with self._lock:
            return tuple(self._struck)

    def take(  # noqa: PLR0913 - one word for each thing that a fault may name
        self,
        *kinds: FaultKind,
        api: str = "",
        verb: str = "",
        zone: str = "",
        type: str = "",
        name: str = "",
        worker: int | None = None,
    ) -> Fault | None:
        """The first planned fault of these kinds that fits, used up once."""
        facts = {"api": api, "verb": verb, "zone": zone, "type": type, "name": name}
        with self._lock:
            now = self._clock.now()
            for planned in self._planned:
                if planned.fault.kind in kinds and _fits(planned, facts, worker, now):
                    self._use(planned, now, f"{verb} {name}".strip() or api)
                    return planned.fault
        return None

    def _use(self, planned: _Planned, now: float, what: str) -> None:
        self._struck.append(Strike(now, planned.fault.kind, what))
        planned.left -= 1
        if planned.left == 0:
            self._planned.remove(planned)


def _fits(
    planned: _Planned, facts: dict[str, str], worker: int | None, now: float
) -> bool:
    fault, passed = planned.fault, now - planned.planned_at
    if passed < fault.after or (fault.until and passed > fault.until):
        return False
    if fault.worker is not None and worker != fault.worker:
        return False
    wanted = {key: getattr(fault, key) for key in facts}
    return all(
        not pattern or fnmatch.fnmatchcase(facts[key], pattern)
        for key, pattern in wanted.items()
    )
