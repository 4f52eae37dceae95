"""What every route of Compute Engine needs: the parts, checks, pages, answers."""

from __future__ import annotations

from typing import Any, TypeVar

from flask import Response, g, jsonify, request

from iris.emulator.compute import catalogue, views
from iris.emulator.compute.changes import Changes
from iris.emulator.compute.disks import Disks
from iris.emulator.compute.operations import Operations
from iris.emulator.compute.power import Power
from iris.emulator.compute.records import DiskRecord, Json, OperationRecord, VmRecord
from iris.emulator.compute.vms import Vms
from iris.emulator.errors import Refusal, missing
from iris.emulator.faults import FaultKind
from iris.emulator.filters import parse_filter
from iris.emulator.paging import page_of, size_from
from iris.emulator.parts import Parts
from iris.emulator.past import EVERYWHERE, Past

T = TypeVar("T", VmRecord, DiskRecord)
ZONE = "/projects/<project>/zones/<zone>"


class Compute:
    """The parts of Compute Engine, and the checks of each request."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.lock = parts.core.lock
        self.operations = Operations(parts.core)
        self.disks = Disks(parts, self.operations)
        self.vms = Vms(parts, self.operations, self.disks)
        self.power = Power(parts.core, self.vms, self.operations)
        self.changes = Changes(parts.core, self.vms, self.disks, self.operations)

    def check(self, project: str, zone: str, permission: str) -> None:
        """Raises a 403 for a permission, a 404 for a zone."""
        self.parts.access.require(g.caller, project, f"compute.{permission}")
        closed = self.parts.core.faults.take(
            FaultKind.ZONE_CLOSED, api="compute", zone=zone
        )
        if zone and (closed is not None or zone not in catalogue.ZONES):
            raise missing(f"projects/{project}/zones/{zone}")

    def now(self, past: Past[T], project: str, zone: str = EVERYWHERE) -> list[T]:
        """What a list of a zone shows, of all zones where none is named, by name."""
        found = past.listed(self.parts.core.faults, "compute", zone)
        ours = [each for each in found if each.project == project]
        return sorted(ours, key=lambda each: each.name)

    def page(self, items: list[Json], kind: str, path: str) -> Any:
        """One page of a list that fits the filter; no `items` when it is empty."""
        test = parse_filter(request.args.get("filter", ""))
        fitting = [item for item in items if test(item)]
        if request.args.get("orderBy", "").startswith("creationTimestamp desc"):
            fitting.sort(key=lambda item: item["creationTimestamp"], reverse=True)
        size = size_from(request.args.get("maxResults", ""), 500, 500)
        if self.parts.core.faults.take(FaultKind.SMALL_PAGES, api="compute"):
            size = 1
        page, token = page_of(fitting, size, request.args.get("pageToken", ""))
        body: Json = {"kind": kind, "id": path, "selfLink": views.base() + path}
        if page:
            body["items"] = list(page)
        if token:
            body["nextPageToken"] = token
        return jsonify(body)


def answer(operation: OperationRecord) -> Response:
    """An operation as the answer of a request."""
    return jsonify(views.operation_view(operation))


def body_of_request() -> Json:
    """The JSON of a request. Raises a 400."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise Refusal("invalid", "Invalid JSON payload received.")
    return body


def aggregated_view(project: str, kind: str, items: list[Json]) -> Any:
    """A list over all zones, a warning where a zone has nothing."""
    test = parse_filter(request.args.get("filter", ""))
    by_zone: dict[str, list[Json]] = {zone: [] for zone in catalogue.ZONES}
    for item in items:
        if test(item):
            by_zone[item["zone"].rpartition("/")[2]].append(item)
    path = f"projects/{project}/aggregated/{kind}"
    body: Json = {
        "kind": f"compute#{kind[:-1]}AggregatedList",
        "id": path,
        "items": {
            f"zones/{zone}": {kind: found} if found else _nothing_there(zone)
            for zone, found in by_zone.items()
        },
        "selfLink": views.base() + path,
    }
    return jsonify(body)


def _nothing_there(zone: str) -> Json:
    words = f"There are no results for scope 'zones/{zone}' on this page."
    item = {"key": "scope", "value": f"zones/{zone}"}
    warning = {"code": "NO_RESULTS_ON_PAGE", "message": words, "data": [item]}
    return {"warning": warning}


def require_current(claimed: object, version: int) -> None:
    """Raises a 412 for the fingerprint of another version."""
    if not views.is_current(str(claimed or ""), version):
        words = "Supplied fingerprint does not match current metadata fingerprint."
        raise Refusal("stale", words)
