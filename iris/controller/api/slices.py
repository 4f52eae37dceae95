"""Slices and their boots."""

from __future__ import annotations

from iris.controller.api.route import (
    OPERATORS,
    READERS,
    WORKERS,
    Call,
    NoQuery,
    Routes,
    Service,
)
from iris.controller.auth import Caller
from iris.controller.fleet_views import (
    view_autoscaler,
    view_boot,
    view_slice,
    view_slices,
)
from iris.controller.parts import Parts
from iris.domain.pages import Page
from iris.domain.protocol import PhaseReport
from iris.domain.views import AutoscalerView, SliceBoot, SliceView
from iris.errors import NotAllowed

routes = Routes()


@routes.add("GET", "/v1/slices", roles=READERS, answer=Page[SliceView])
def list_slices(call: Call[None, NoQuery]) -> Page[SliceView]:
    """Every slice that is not deleted."""
    return Page(view_slices(call.parts))


@routes.add("GET", "/v1/slices/{name}", roles=READERS, answer=SliceView)
def get_slice(call: Call[None, NoQuery]) -> SliceView:
    """One slice that is not deleted."""
    return view_slice(call.parts, call.params["name"])


@routes.add("GET", "/v1/slices/{name}/boot", roles=READERS, answer=SliceBoot)
def get_boot(call: Call[None, NoQuery]) -> SliceBoot:
    """A slice's boot, phase by phase."""
    return view_boot(call.parts, call.params["name"])


@routes.add(
    *("POST", "/v1/slices/{name}:phase"),
    roles=WORKERS,
    joins=True,
    body=PhaseReport,
    service=Service.RESERVE,
)
def report_phase(call: Call[PhaseReport, NoQuery]) -> None:
    """Keep one step of a boot, as the VM that boots reports it."""
    report = call.body
    home = _home_of(call.parts, call.caller)
    if home != (report.slice_name, report.index) or home[0] != call.params["name"]:
        raise NotAllowed(f"this token speaks for {home[0]}/{home[1]} only")
    call.parts.state.report_phase(report)


@routes.add(
    *("POST", "/v1/slices/{name}:confirm-gone"), roles=OPERATORS, answer=SliceView
)
def confirm_gone(call: Call[None, NoQuery]) -> SliceView:
    """Release the tasks of a slice whose deletion is stuck."""
    call.parts.state.confirm_gone(call.params["name"], call.caller.user)
    return view_slice(call.parts, call.params["name"])


@routes.add("GET", "/v1/autoscaler", roles=READERS, answer=AutoscalerView)
def get_autoscaler(call: Call[None, NoQuery]) -> AutoscalerView:
    """Every scale group, and what is done about each job that waits."""
    return view_autoscaler(call.parts)


def _home_of(parts: Parts, caller: Caller) -> tuple[str, int]:
    if caller.joins:
        return caller.slice_name, caller.index
    with parts.state.reading() as tables:
        worker = tables.workers.get(caller.worker_uid)
    return (worker.slice_name, worker.index) if worker else ("no slice", -1)
