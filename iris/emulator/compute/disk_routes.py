"""Routes of Compute Engine to disks and operations."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request

from iris.emulator.compute import views
from iris.emulator.compute.asking import size_from
from iris.emulator.compute.desk import (
    ZONE,
    Compute,
    aggregated_view,
    answer,
    body_of_request,
    require_current,
)
from iris.emulator.labels import labels_from

DISK = f"{ZONE}/disks/<name>"


def add_disks(routes: Blueprint, compute: Compute) -> None:
    """Routes to disks."""
    disks = compute.disks

    @routes.post(f"{ZONE}/disks")
    def insert(project: str, zone: str) -> Any:
        compute.check(project, zone, "disks.create")
        asked = request.args.get("requestId", "")
        with compute.lock:
            name = disks.insert(project, zone, body_of_request(), asked)
            return answer(compute.operations.get(project, zone, name))

    @routes.get(f"{ZONE}/disks")
    def listed(project: str, zone: str) -> Any:
        compute.check(project, zone, "disks.list")
        with compute.lock:
            found = compute.now(disks.past, project, zone)
            items = [views.disk_view(disk) for disk in found]
            path = f"projects/{project}/zones/{zone}/disks"
            return compute.page(items, "compute#diskList", path)

    @routes.get("/projects/<project>/aggregated/disks")
    def aggregated(project: str) -> Any:
        compute.check(project, "", "disks.list")
        with compute.lock:
            items = [views.disk_view(d) for d in compute.now(disks.past, project)]
            return aggregated_view(project, "disks", items)

    @routes.get(DISK)
    def get(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "disks.get")
        with compute.lock:
            return jsonify(views.disk_view(disks.get(f"{project}/{zone}/{name}")))

    @routes.delete(DISK)
    def delete(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "disks.delete")
        with compute.lock:
            return answer(disks.delete(f"{project}/{zone}/{name}", ""))

    _changes(routes, compute)


def _changes(routes: Blueprint, compute: Compute) -> None:
    disks = compute.disks

    @routes.post(f"{DISK}/setLabels")
    def label(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "disks.setLabels")
        with compute.lock:
            key, body = f"{project}/{zone}/{name}", body_of_request()
            version = disks.get(key).labels_version
            require_current(body.get("labelFingerprint"), version)
            return answer(disks.label(key, labels_from(body.get("labels"))))

    @routes.post(f"{DISK}/resize")
    def resize(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "disks.resize")
        with compute.lock:
            size = size_from(body_of_request().get("sizeGb"))
            return answer(disks.resize(f"{project}/{zone}/{name}", size))


def add_operations(routes: Blueprint, compute: Compute) -> None:
    """Routes to the operations of a zone."""
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
            return answer(operations.get(project, zone, name))

    @routes.post(f"{one}/wait")
    def wait(project: str, zone: str, name: str) -> Any:
        compute.check(project, zone, "zoneOperations.get")
        return answer(operations.wait(project, zone, name))
