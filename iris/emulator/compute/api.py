"""Compute Engine v1 over HTTP: routes to VMs, disks and operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, g, jsonify, request

from iris.emulator.compute import asking, views
from iris.emulator.compute.desk import (
    ZONE,
    Compute,
    aggregated_view,
    answer,
    body_of_request,
    require_current,
)
from iris.emulator.compute.disk_routes import add_disks, add_operations
from iris.emulator.compute.places import add_places
from iris.emulator.compute.records import Json, OperationRecord, VmRecord
from iris.emulator.errors import Refusal, missing
from iris.emulator.labels import labels_from
from iris.emulator.parts import Parts
from iris.emulator.routes import Routes

VM = f"{ZONE}/instances/<name>"


def blueprint(parts: Parts) -> Blueprint:
    """The routes below /compute/v1."""
    routes = Routes("compute", __name__, url_prefix="/compute/v1")
    compute = Compute(parts)
    parts.strikes.append(compute.power.strike)
    _vms(routes, compute)
    _vm_verbs(routes, compute)
    _vm_changes(routes, compute)
    _guests(routes, compute)
    add_disks(routes, compute)
    add_operations(routes, compute)
    add_places(routes, compute.page, parts)
    with compute.lock:
        parts.core.driver.restore(compute.vms.resume())
    return routes


def _vms(routes: Blueprint, compute: Compute) -> None:
    @routes.post(f"{ZONE}/instances")
    def insert(project: str, zone: str) -> Any:
        compute.check(project, zone, "instances.create")
        with compute.lock:
            asked = request.args.get("requestId", "")
            return answer(compute.vms.insert(project, zone, body_of_request(), asked))

    @routes.get(f"{ZONE}/instances")
    def listed(project: str, zone: str) -> Any:
        compute.check(project, zone, "instances.list")
        with compute.lock:
            items = _views(compute, compute.now(compute.vms.past, project, zone))
            path = f"projects/{project}/zones/{zone}/instances"
            return compute.page(items, "compute#instanceList", path)

    @routes.get("/projects/<project>/aggregated/instances")
    def aggregated(project: str) -> Any:
        compute.check(project, "", "instances.list")
        with compute.lock:
            items = _views(compute, compute.now(compute.vms.past, project))
            return aggregated_view(project, "instances", items)

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
            return answer(compute.vms.delete(f"{project}/{zone}/{name}", asked))


def _views(compute: Compute, found: list[VmRecord]) -> list[Json]:
    sizes = compute.disks.sizes()
    return [views.vm_view(vm, sizes) for vm in found]


def _vm_verbs(routes: Blueprint, compute: Compute) -> None:
    power = compute.power
    verbs: dict[str, Callable[[str], OperationRecord]] = {
        "start": power.start,
        "resume": lambda key: power.start(key, "resume"),
        "stop": power.stop,
        "suspend": lambda key: power.stop(key, "suspend"),
        "reset": power.reset,
        "simulateMaintenanceEvent": power.maintain,
    }

    @routes.post(f"{VM}/<any({', '.join(verbs)}):verb>")
    def act(project: str, zone: str, name: str, verb: str) -> Any:
        compute.check(project, zone, f"instances.{verb}")
        with compute.lock:
            return answer(verbs[verb](f"{project}/{zone}/{name}"))


def _vm_changes(routes: Blueprint, compute: Compute) -> None:
    vms, changes = compute.vms, compute.changes

    @routes.post(f"{VM}/setMetadata")
    def set_metadata(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.setMetadata")
        with compute.lock:
            key, body = f"{project}/{zone}/{name}", body_of_request()
            require_current(body.get("fingerprint"), vms.get(key).metadata_version)
            return answer(changes.set_metadata(key, asking.read_metadata(body)))

    @routes.post(f"{VM}/setLabels")
    def set_labels(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.setLabels")
        with compute.lock:
            key, body = f"{project}/{zone}/{name}", body_of_request()
            require_current(body.get("labelFingerprint"), vms.get(key).labels_version)
            return answer(changes.set_labels(key, labels_from(body.get("labels"))))

    @routes.post(f"{VM}/setTags")
    def set_tags(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.setTags")
        with compute.lock:
            key, body = f"{project}/{zone}/{name}", body_of_request()
            require_current(body.get("fingerprint"), vms.get(key).tags_version)
            return answer(changes.set_tags(key, tuple(body.get("items") or ())))

    @routes.post(f"{VM}/attachDisk")
    def attach(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.attachDisk")
        with compute.lock:
            return answer(
                changes.attach_disk(f"{project}/{zone}/{name}", body_of_request())
            )

    @routes.post(f"{VM}/detachDisk")
    def detach(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.detachDisk")
        device = request.args.get("deviceName", "")
        with compute.lock:
            return answer(changes.detach_disk(f"{project}/{zone}/{name}", device))


def _guests(routes: Blueprint, compute: Compute) -> None:
    driver = compute.parts.core.driver

    @routes.get(f"{VM}/serialPort")
    def serial(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "instances.getSerialPortOutput")
        with compute.lock:
            vm = compute.vms.get(f"{project}/{zone}/{name}")
        content = driver.serial(vm.id)
        start = min(_start_in(request.args.get("start", "")), len(content))
        path = f"{vm.path}/serialPort"
        body = {
            "kind": "compute#serialPortOutput",
            "contents": content[start:].decode(errors="replace"),
            "start": str(start),
            "next": str(len(content)),
            "selfLink": views.base() + path,
        }
        return jsonify(body)

    _guest_attributes(routes, compute)


def _start_in(words: str) -> int:
    if not (words or "0").isdecimal():
        raise Refusal("invalid", f"Invalid value for field 'start': '{words}'.")
    return int(words or 0)


def _guest_attributes(routes: Blueprint, compute: Compute) -> None:
    driver = compute.parts.core.driver

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
        asked = body_of_request().get("permissions", [])
        return jsonify({"permissions": [p for p in asked if held(g.caller.email, p)]})
