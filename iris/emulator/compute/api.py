"""Compute Engine v1 over HTTP: routes to VMs, disks and operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from iris.emulator.compute import asking, catalogue, views
from iris.emulator.compute.disks import Disks
from iris.emulator.compute.operations import Operations
from iris.emulator.compute.places import add_places
from iris.emulator.compute.records import Json, OperationRecord, VmRecord
from iris.emulator.compute.vms import Vms
from iris.emulator.errors import Refusal, missing
from iris.emulator.faults import FaultKind
from iris.emulator.filters import parse_filter
from iris.emulator.paging import page_of, size_from
from iris.emulator.parts import Parts
from iris.emulator.routes import Routes

ZONE = "/projects/<project>/zones/<zone>"
VM = f"{ZONE}/instances/<name>"
DISK = f"{ZONE}/disks/<name>"
SERIAL_BYTES = 1 << 20


class Compute:
    """The parts of Compute Engine, and the checks of each request."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.lock = parts.core.lock
        self.operations = Operations(parts.core)
        self.disks = Disks(parts, self.operations)
        self.vms = Vms(parts, self.operations, self.disks)

    def check(self, project: str, zone: str, permission: str) -> None:
        """Raises a 403 for a permission, a 404 for a zone."""
        self.parts.access.require(g.caller, project, f"compute.{permission}")
        closed = self.parts.core.faults.take(
            FaultKind.ZONE_CLOSED, api="compute", zone=zone
        )
        if zone and (closed is not None or zone not in catalogue.ZONES):
            raise missing(f"projects/{project}/zones/{zone}")

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


def blueprint(parts: Parts) -> Blueprint:
    """The routes below /compute/v1."""
    routes = Routes("compute", __name__, url_prefix="/compute/v1")
    compute = Compute(parts)
    parts.strikes.append(compute.vms.strike)
    _vms(routes, compute)
    _vm_verbs(routes, compute)
    _vm_changes(routes, compute)
    _guests(routes, compute)
    _disks(routes, compute)
    _operations(routes, compute)
    add_places(routes, compute.page, parts)
    with compute.lock:
        parts.core.driver.restore(compute.vms.resume())
    return routes


def _answer(operation: OperationRecord) -> Response:
    return jsonify(views.operation_view(operation))


def _body() -> Json:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise Refusal("invalid", "Invalid JSON payload received.")
    return body


def _vms(routes: Blueprint, compute: Compute) -> None:
    @routes.post(f"{ZONE}/instances")
    def insert(project: str, zone: str) -> Any:
        compute.check(project, zone, "instances.create")
        with compute.lock:
            asked = request.args.get("requestId", "")
            return _answer(compute.vms.insert(project, zone, _body(), asked))

    @routes.get(f"{ZONE}/instances")
    def listed(project: str, zone: str) -> Any:
        compute.check(project, zone, "instances.list")
        with compute.lock:
            items = _views(compute, compute.vms.listed(project, zone))
            path = f"projects/{project}/zones/{zone}/instances"
            return compute.page(items, "compute#instanceList", path)

    @routes.get("/projects/<project>/aggregated/instances")
    def aggregated(project: str) -> Any:
        compute.check(project, "", "instances.list")
        with compute.lock:
            items = _views(compute, compute.vms.listed(project))
            return _aggregated(project, "instances", items)

    @routes.get(VM)
    def get(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.get")
        with compute.lock:
            vm = compute.vms.get(f"{project}/{zone}/{name}")
            return jsonify(_views(compute, [vm])[0])

    @routes.delete(VM)
    def delete(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.delete")
        with compute.lock:
            asked = request.args.get("requestId", "")
            return _answer(compute.vms.delete(f"{project}/{zone}/{name}", asked))


def _views(compute: Compute, found: list[VmRecord]) -> list[Json]:
    sizes = compute.disks.sizes()
    return [views.vm_view(vm, sizes) for vm in found]


def _aggregated(project: str, kind: str, items: list[Json]) -> Any:
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


def _vm_verbs(routes: Blueprint, compute: Compute) -> None:
    vms = compute.vms
    verbs: dict[str, Callable[[str], OperationRecord]] = {
        "start": vms.start,
        "resume": lambda key: vms.start(key, "resume"),
        "stop": vms.stop,
        "suspend": lambda key: vms.stop(key, "suspend"),
        "reset": vms.reset,
        "simulateMaintenanceEvent": vms.maintain,
    }

    @routes.post(f"{VM}/<any({', '.join(verbs)}):verb>")
    def act(project: str, zone: str, name: str, verb: str) -> Any:
        compute.check(project, zone, f"instances.{verb}")
        with compute.lock:
            return _answer(verbs[verb](f"{project}/{zone}/{name}"))


def _vm_changes(routes: Blueprint, compute: Compute) -> None:
    vms = compute.vms

    @routes.post(f"{VM}/setMetadata")
    def set_metadata(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.setMetadata")
        with compute.lock:
            key, body = f"{project}/{zone}/{name}", _body()
            _require_current(body.get("fingerprint"), vms.get(key).metadata_version)
            return _answer(vms.set_metadata(key, asking.read_metadata(body)))

    @routes.post(f"{VM}/setLabels")
    def set_labels(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.setLabels")
        with compute.lock:
            key, body = f"{project}/{zone}/{name}", _body()
            _require_current(body.get("labelFingerprint"), vms.get(key).labels_version)
            return _answer(vms.set_labels(key, dict(body.get("labels") or {})))

    @routes.post(f"{VM}/setTags")
    def set_tags(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.setTags")
        with compute.lock:
            key, body = f"{project}/{zone}/{name}", _body()
            _require_current(body.get("fingerprint"), vms.get(key).tags_version)
            return _answer(vms.set_tags(key, tuple(body.get("items") or ())))

    @routes.post(f"{VM}/attachDisk")
    def attach(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.attachDisk")
        with compute.lock:
            return _answer(vms.attach_disk(f"{project}/{zone}/{name}", _body()))

    @routes.post(f"{VM}/detachDisk")
    def detach(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.detachDisk")
        device = request.args.get("deviceName", "")
        with compute.lock:
            return _answer(vms.detach_disk(f"{project}/{zone}/{name}", device))


def _require_current(claimed: object, version: int) -> None:
    if not views.is_current(str(claimed or ""), version):
        words = "Supplied fingerprint does not match current metadata fingerprint."
        raise Refusal("stale", words)


def _guests(routes: Blueprint, compute: Compute) -> None:
    driver = compute.parts.core.driver

    @routes.get(f"{VM}/serialPort")
    def serial(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.getSerialPortOutput")
        with compute.lock:
            vm = compute.vms.get(f"{project}/{zone}/{name}")
        content = driver.serial(vm.id)
        start = min(int(request.args.get("start") or 0), len(content))
        path = f"{vm.path}/serialPort"
        body = {
            "kind": "compute#serialPortOutput",
            "contents": content[start:].decode(errors="replace"),
            "start": str(start),
            "next": str(len(content)),
            "selfLink": views.base() + path,
        }
        return jsonify(body)

    @routes.get(f"{VM}/getGuestAttributes")
    def guest(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.getGuestAttributes")
        with compute.lock:
            vm = compute.vms.get(f"{project}/{zone}/{name}")
        wanted = request.args.get("queryPath", "").strip("/").partition("/")
        found = [
            {"namespace": space, "key": key, "value": value}
            for space, values in driver.guest_attributes(vm.id).items()
            for key, value in values.items()
            if wanted[0] in ("", space) and wanted[2] in ("", key)
        ]
        if not found:
            raise missing(f"{vm.path}/guestAttributes/{'/'.join(wanted)}")
        query = request.args.get("queryPath", "")
        body = {"kind": "compute#guestAttributes", "queryPath": query}
        return jsonify({**body, "queryValue": {"items": found}})

    @routes.post(f"{VM}/testIamPermissions")
    def rights(project: str, zone: str, name: str) -> Any:
        held = compute.parts.access.holds
        asked = _body().get("permissions", [])
        return jsonify({"permissions": [p for p in asked if held(g.caller.email, p)]})


def _disks(routes: Blueprint, compute: Compute) -> None:
    disks = compute.disks

    @routes.post(f"{ZONE}/disks")
    def insert(project: str, zone: str) -> Any:
        compute.check(project, zone, "disks.create")
        asked = request.args.get("requestId", "")
        with compute.lock:
            name = disks.insert(project, zone, _body(), asked)
            return _answer(compute.operations.get(project, zone, name))

    @routes.get(f"{ZONE}/disks")
    def listed(project: str, zone: str) -> Any:
        compute.check(project, zone, "disks.list")
        with compute.lock:
            items = [views.disk_view(disk) for disk in disks.listed(project, zone)]
            path = f"projects/{project}/zones/{zone}/disks"
            return compute.page(items, "compute#diskList", path)

    @routes.get("/projects/<project>/aggregated/disks")
    def aggregated(project: str) -> Any:
        compute.check(project, "", "disks.list")
        with compute.lock:
            items = [views.disk_view(disk) for disk in disks.listed(project)]
            return _aggregated(project, "disks", items)

    @routes.get(DISK)
    def get(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "disks.get")
        with compute.lock:
            return jsonify(views.disk_view(disks.get(f"{project}/{zone}/{name}")))

    @routes.delete(DISK)
    def delete(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "disks.delete")
        with compute.lock:
            return _answer(disks.delete(f"{project}/{zone}/{name}", ""))

    @routes.post(f"{DISK}/setLabels")
    def label(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "disks.setLabels")
        with compute.lock:
            key, body = f"{project}/{zone}/{name}", _body()
            version = disks.get(key).labels_version
            _require_current(body.get("labelFingerprint"), version)
            return _answer(disks.label(key, dict(body.get("labels") or {})))

    @routes.post(f"{DISK}/resize")
    def resize(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "disks.resize")
        with compute.lock:
            size = int(_body().get("sizeGb") or 0)
            return _answer(disks.resize(f"{project}/{zone}/{name}", size))


def _operations(routes: Blueprint, compute: Compute) -> None:
    operations = compute.operations
    one = f"{ZONE}/operations/<name>"

    @routes.get(f"{ZONE}/operations")
    def listed(project: str, zone: str) -> Any:
        compute.check(project, zone, "zoneOperations.list")
        with compute.lock:
            found = operations.listed(project, zone)
            items = [views.operation_view(each) for each in found]
            path = f"projects/{project}/zones/{zone}/operations"
            return compute.page(items, "compute#operationList", path)

    @routes.get(one)
    def get(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "zoneOperations.get")
        with compute.lock:
            return _answer(operations.get(project, zone, name))

    @routes.post(f"{one}/wait")
    def wait(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "zoneOperations.get")
        return _answer(operations.wait(project, zone, name))
