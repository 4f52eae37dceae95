"""Faults on request: which are planned, which of them strikes now."""

from __future__ import annotations

import fnmatch
import threading
from enum import StrEnum

import msgspec

from iris.clock import Clock
from iris.emulator.fault_memory import FaultMemory


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
    OPERATION_FORGOTTEN = "operation-forgotten"  # 404, as past its retention


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

    def __post_init__(self) -> None:
        """Raises ValueError for one that could never strike."""
        objection = objection_to(self)
        if objection:
            raise ValueError(f"{self.kind}: {objection}")


class _Reach(msgspec.Struct, frozen=True):
    """What a fault of a kind may name; another word would never fit anything."""

    apis: tuple[str, ...]
    words: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()


_BOTH = ("compute", "tpu")
_VERBS = ("create", "delete", "get", "list", "update", "operation")
_REQUEST = _Reach(_BOTH, ("verb", "zone", "type", "name"), _VERBS)
_CREATE = _Reach(_BOTH, ("verb", "zone", "type", "name"), ("create",))
_LIVING = _Reach(_BOTH, ("zone", "type", "name"))
_ONE_VM = ("zone", "type", "name", "worker")
_REACH = {
    FaultKind.STOCKOUT: _CREATE,
    FaultKind.QUOTA: _CREATE,
    FaultKind.NOT_PERMITTED: _REQUEST,
    FaultKind.NOT_AUTHENTICATED: _REQUEST,
    FaultKind.ZONE_CLOSED: _Reach(_BOTH, ("zone",)),
    FaultKind.UNAVAILABLE: _REQUEST,
    FaultKind.RATE_LIMITED: _REQUEST,
    FaultKind.REPLY_LOST: _REQUEST,
    FaultKind.REPLY_GARBLED: _REQUEST,
    FaultKind.SLOW_REPLY: _REQUEST,
    FaultKind.STALE_LIST: _Reach(_BOTH, ("verb", "zone"), ("list",)),
    FaultKind.PREEMPTION: _LIVING,
    FaultKind.MAINTENANCE: _LIVING,
    FaultKind.DEAD_WORKER: _Reach(_BOTH, _ONE_VM),
    FaultKind.PARTIAL_SLICE: _Reach(("tpu",), _ONE_VM),
    FaultKind.NO_INDEX: _Reach(("tpu",), _ONE_VM),
    FaultKind.LATE_METADATA: _Reach(_BOTH, _ONE_VM),
    FaultKind.METADATA_UNAVAILABLE: _Reach(("metadata",), ("zone", "type", "name")),
    FaultKind.SSH_CUT: _LIVING,
    FaultKind.PULL_DENIED: _Reach(("docker",), ("zone", "type", "name")),
    FaultKind.PULL_FAILS: _Reach(("docker",), ("zone", "type", "name")),
    FaultKind.LATE_OPERATION: _Reach(
        ("tpu",), ("verb", "zone", "type", "name"), ("operation",)
    ),
    FaultKind.BARE_ENDPOINTS: _Reach(
        ("tpu",), ("verb", "zone", "type", "name"), ("get",)
    ),
    FaultKind.UNKNOWN_STATE: _Reach(
        ("tpu",), ("verb", "zone", "type", "name"), ("get",)
    ),
    FaultKind.OWN_METADATA_TYPE: _Reach(("tpu",)),
    FaultKind.SMALL_PAGES: _Reach(_BOTH),
    FaultKind.UNREACHABLE_ZONE: _Reach(("tpu",), ("zone",)),
    FaultKind.SUSPENDED: _Reach(("tpu",), ("zone", "type", "name")),
    FaultKind.OPERATION_FORGOTTEN: _Reach(
        _BOTH, ("verb", "zone", "name"), ("operation",)
    ),
}
_STATUSES = (429, 500, 502, 503)


def objection_to(fault: Fault) -> str:
    """Why a fault could never strike, empty if it may."""
    reach = _REACH[fault.kind]
    for word in ("verb", "zone", "type", "name", "worker"):
        if getattr(fault, word) not in ("", None) and word not in reach.words:
            known = ", ".join(("api", *reach.words))
            return f"`{word}` names nothing here; it may name {known}"
    for word, known_ones in (("api", reach.apis), ("verb", reach.verbs)):
        pattern = getattr(fault, word)
        if pattern and not fnmatch.filter(known_ones, pattern):
            return f"`{word}: {pattern}` fits none of {', '.join(known_ones)}"
    return _objection_to_words(fault, reach)


def _objection_to_words(fault: Fault, reach: _Reach) -> str:
    is_create = not fault.verb or fnmatch.fnmatchcase("create", fault.verb)
    if reach is _REQUEST and fault.type and not is_create:
        return "only a create names a `type`: leave it out, or say `verb: create`"
    if fault.kind is FaultKind.UNAVAILABLE and fault.status not in _STATUSES:
        known = ", ".join(map(str, _STATUSES))
        return f"`status: {fault.status}` is none of {known}"
    if fault.until and fault.until <= fault.after:
        return f"`until: {fault.until:g}` is over before `after: {fault.after:g}`"
    return ""


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

    @property
    def begins_at(self) -> float:
        return self.planned_at + self.fault.after


class Faults:
    """The plan; thread-safe."""

    def __init__(self, clock: Clock, memory: FaultMemory | None = None) -> None:
        self._clock = clock
        self._memory = memory
        self._lock = threading.Lock()
        self._planned: list[_Planned] = memory.planned(_Planned) if memory else []
        self._struck: list[Strike] = memory.struck(Strike) if memory else []
        self._last = max((each.id for each in self._planned), default=0)

    def inject(self, fault: Fault) -> int:
        """Plan one; returns its id."""
        with self._lock:
            self._last += 1
            left = fault.times or -1
            planned = _Planned(self._last, fault, self._clock.now(), left)
            self._planned.append(planned)
            self._keep()
            return self._last

    def withdraw(self, fault_id: int | None = None) -> None:
        """Take one back, or all."""
        with self._lock:
            keep = [p for p in self._planned if fault_id not in (None, p.id)]
            self._planned = keep
            self._keep()

    def begin_at(self) -> tuple[float, ...]:
        """When those that may still strike may do so first."""
        with self._lock:
            return tuple(each.begins_at for each in self._planned)

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

    def is_planned(self, kind: FaultKind, **facts: str) -> bool:
        """Would such a fault strike now? It is not used up."""
        known = dict.fromkeys(("api", "verb", "zone", "type", "name"), "") | facts
        with self._lock:
            now = self._clock.now()
            return any(
                each.fault.kind is kind and _fits(each, known, None, now)
                for each in self._planned
            )

    def _use(self, planned: _Planned, now: float, what: str) -> None:
        strike = Strike(now, planned.fault.kind, what)
        self._struck.append(strike)
        if self._memory:
            self._memory.add_strike(strike)
        if planned.left > 0:
            planned.left -= 1
            if planned.left == 0:
                self._planned.remove(planned)
            self._keep()

    def _keep(self) -> None:
        if self._memory:
            self._memory.keep_planned(self._planned)


def _fits(
    planned: _Planned, facts: dict[str, str], worker: int | None, now: float
) -> bool:
    fault = planned.fault
    is_over = fault.until and now > planned.planned_at + fault.until
    if now < planned.begins_at or is_over:
        return False
    if fault.worker is not None and worker != fault.worker:
        return False
    wanted = {key: getattr(fault, key) for key in facts}
    return all(
        not pattern or fnmatch.fnmatchcase(facts[key], pattern)
        for key, pattern in wanted.items()
    )
