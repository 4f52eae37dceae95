"""Workers: registration, heartbeats, output, drains."""

from __future__ import annotations

from iris.controller.api.query import deadline_of
from iris.controller.api.route import (
    MIB,
    OPERATORS,
    READERS,
    WORKERS,
    Call,
    NoQuery,
    Routes,
    Service,
)
from iris.controller.auth import NO_INDEX
from iris.controller.fleet_views import view_worker, view_workers
from iris.controller.intake import take_heartbeat, take_logs
from iris.domain.pages import DrainRequest, Page
from iris.domain.protocol import (
    Heartbeat,
    HeartbeatAnswer,
    LogBatch,
    LogBatchAnswer,
    Registered,
    Registration,
)
from iris.domain.views import WorkerView
from iris.errors import NotAllowed

routes = Routes()


@routes.add("GET", "/v1/workers", roles=READERS, answer=Page[WorkerView])
def list_workers(call: Call[None, NoQuery]) -> Page[WorkerView]:
    """Every worker."""
    return Page(view_workers(call.parts))


@routes.add(
    *("POST", "/v1/workers/{uid}:drain"),
    roles=OPERATORS,
    body=DrainRequest,
    body_optional=True,
    answer=WorkerView,
)
def drain(call: Call[DrainRequest | None, NoQuery]) -> WorkerView:
    """No new work for the worker's slice; it goes when what runs has ended.

    With `deadline` that has its signal at once, and so many seconds.
    """
    uid, deadline = call.params["uid"], deadline_of(call.body)
    call.parts.state.drain_worker(uid, call.caller.user, deadline)
    return view_worker(call.parts, uid)


@routes.add(
    *("POST", "/v1/workers:register"),
    roles=WORKERS,
    joins=True,
    body=Registration,
    answer=Registered,
    service=Service.RESERVE,
)
def register(call: Call[Registration, NoQuery]) -> Registered:
    """Take a worker in, on the join token of its VM."""
    caller, words = call.caller, call.body
    is_its_own = (caller.slice_name, caller.index) == (words.slice_name, words.index)
    if not is_its_own or words.index == NO_INDEX:
        raise NotAllowed("this token does not let that VM join")
    return call.parts.state.register(words, call.token_hash)


@routes.add(
    *("POST", "/v1/workers/{uid}/heartbeat"),
    roles=WORKERS,
    body=Heartbeat,
    most_bytes=16 * MIB,
    answer=HeartbeatAnswer,
    service=Service.RESERVE,
)
def heartbeat(call: Call[Heartbeat, NoQuery]) -> HeartbeatAnswer:
    """Take what a worker observed; say all that it should run or stop."""
    _require_own(call.caller.worker_uid, call.params["uid"], call.body.worker_uid)
    return take_heartbeat(call.parts, call.body)


@routes.add(
    *("POST", "/v1/workers/{uid}/logs"),
    roles=WORKERS,
    body=LogBatch,
    most_bytes=8 * MIB,  # 4 MiB of output in base64, and what is around it
    answer=LogBatchAnswer,
    service=Service.RESERVE,
)
def ship_logs(call: Call[LogBatch, NoQuery]) -> LogBatchAnswer:
    """Keep output; the answer says how much of each attempt's is here."""
    _require_own(call.caller.worker_uid, call.params["uid"])
    return take_logs(call.parts, call.caller.worker_uid, call.body)


def _require_own(own: str, *named: str) -> None:
    for uid in named:
        if uid != own:
            raise NotAllowed(f"this token speaks for worker {own or '(none yet)'} only")
