"""What Compute Engine knows beside VMs: zones, types, images, projects, networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, g, jsonify, request

from iris.emulator.compute import catalogue, views
from iris.emulator.compute.asking import read_metadata
from iris.emulator.compute.records import Json
from iris.emulator.errors import Refusal, missing
from iris.emulator.parts import Parts

Page = Callable[[list[Json], str, str], Any]


def add_places(routes: Blueprint, page: Page, parts: Parts) -> None:
    """Their routes."""
    _zones(routes, page)
    _machine_types(routes, page)
    _images(routes)
    _networks(routes)
    _projects(routes, parts)


def _zones(routes: Blueprint, page: Page) -> None:
    @routes.get("/projects/<project>/zones")
    def zones(project: str) -> Any:
        items = [_zone(project, zone) for zone in catalogue.ZONES]
        return page(items, "compute#zoneList", f"projects/{project}/zones")

    @routes.get("/projects/<project>/zones/<zone>")
    def zone(project: str, zone: str) -> Any:
        if zone not in catalogue.ZONES:
            raise missing(f"projects/{project}/zones/{zone}")
        return jsonify(_zone(project, zone))

    @routes.get("/projects/<project>/regions/<region>")
    def region(project: str, region: str) -> Any:
        path = f"projects/{project}/regions/{region}"
        if not any(zone.startswith(f"{region}-") for zone in catalogue.ZONES):
            raise missing(path)
        body = {"kind": "compute#region", "name": region, "status": "UP", "quotas": []}
        return jsonify({**body, "selfLink": views.base() + path})


def _zone(project: str, zone: str) -> Json:
    path, region = f"projects/{project}/zones/{zone}", zone.rpartition("-")[0]
    return {
        "kind": "compute#zone",
        "name": zone,
        "status": "UP",
        "region": views.full(project, f"regions/{region}"),
        "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
        "selfLink": views.base() + path,
    }


def _machine_types(routes: Blueprint, page: Page) -> None:
    @routes.get("/projects/<project>/zones/<zone>/machineTypes/<name>")
    def machine_type(project: str, zone: str, name: str) -> Any:
        path = f"projects/{project}/zones/{zone}/machineTypes/{name}"
        size = catalogue.machine(name)
        if size is None:
            raise missing(path)
        body = {
            "kind": "compute#machineType",
            "name": name,
            "guestCpus": size[0],
            "memoryMb": size[1],
            "zone": zone,
            "selfLink": views.base() + path,
        }
        return jsonify(body)

    @routes.get("/projects/<project>/zones/<zone>/machineTypes")
    def machine_types(project: str, zone: str) -> Any:
        sizes = (2, 4, 8, 16, 32)
        names = [f"{family}-standard-{n}" for family in ("e2", "n2") for n in sizes]
        items = [{"kind": "compute#machineType", "name": name} for name in names]
        path = f"projects/{project}/zones/{zone}/machineTypes"
        return page(items, "compute#machineTypeList", path)


def _images(routes: Blueprint) -> None:
    @routes.get("/projects/<project>/global/images/family/<name>")
    @routes.get("/projects/<project>/zones/<zone>/imageFamilyViews/<name>")
    def family(project: str, name: str, zone: str = "") -> Any:
        path = catalogue.image_of(f"projects/{project}/global/images/family/{name}")
        image = _image(path.split("/")[-1], path, name)
        return jsonify({"image": image} if zone else image)

    @routes.get("/projects/<project>/global/images/<name>")
    def image(project: str, name: str) -> Any:
        path = f"projects/{project}/global/images/{name}"
        return jsonify(_image(name, path, ""))


def _image(name: str, path: str, family: str) -> Json:
    body = {"kind": "compute#image", "name": name, "status": "READY"}
    rest = {"diskSizeGb": "10", "family": family, "selfLink": views.base() + path}
    return {**body, **rest}


def _networks(routes: Blueprint) -> None:
    @routes.get("/projects/<project>/global/networks/<name>")
    def network(project: str, name: str) -> Any:
        path = f"projects/{project}/global/networks/{name}"
        body = {"kind": "compute#network", "name": name, "autoCreateSubnetworks": True}
        return jsonify({**body, "selfLink": views.base() + path})

    @routes.get("/projects/<project>/regions/<region>/subnetworks/<name>")
    def subnetwork(project: str, region: str, name: str) -> Any:
        path = f"projects/{project}/regions/{region}/subnetworks/{name}"
        body = {"kind": "compute#subnetwork", "name": name}
        return jsonify({**body, "selfLink": views.base() + path})


def _projects(routes: Blueprint, parts: Parts) -> None:
    projects = parts.projects

    @routes.get("/projects/<project>")
    def get(project: str) -> Any:
        parts.access.require(g.caller, project, "compute.projects.get")
        found = projects.get(project)
        body = {
            "kind": "compute#project",
            "id": str(found.number),
            "name": project,
            "defaultServiceAccount": projects.default_account(project),
            "commonInstanceMetadata": views.metadata_view(
                found.metadata, found.metadata_version
            ),
            "selfLink": f"{views.base()}projects/{project}",
        }
        return jsonify(body)

    @routes.post("/projects/<project>/setCommonInstanceMetadata")
    def set_metadata(project: str) -> Any:
        permission = "compute.projects.setCommonInstanceMetadata"
        parts.access.require(g.caller, project, permission)
        body = request.get_json(silent=True) or {}
        with parts.core.lock:
            found = projects.get(project)
            claimed = str(body.get("fingerprint") or "")
            if not views.is_current(claimed, found.metadata_version):
                raise Refusal("stale", "Supplied fingerprint does not match.")
            projects.set_metadata(project, read_metadata(body))
        return jsonify(_global_operation(project))


def _global_operation(project: str) -> Json:
    name = "operation-set-common-metadata"
    path = f"projects/{project}/global/operations/{name}"
    return {
        "kind": "compute#operation",
        "id": "1",
        "name": name,
        "operationType": "compute.projects.setCommonInstanceMetadata",
        "status": "DONE",
        "progress": 100,
        "targetLink": f"{views.base()}projects/{project}",
        "selfLink": views.base() + path,
    }
