"""Where Cloud TPU is, and which accelerators and runtimes each zone offers."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from iris.emulator.errors import Json, missing
from iris.emulator.filters import parse_filter
from iris.emulator.tpu import catalogue
from iris.emulator.tpu.desk import Tpus

PLACE = "/<any(v2, v2alpha1, v1):version>/projects/<project>/locations"
ZONE = f"{PLACE}/<zone>"
_OFFERS = "<any(acceleratorTypes, runtimeVersions, tensorflowVersions):kind>"


def add_places(routes: Blueprint, tpus: Tpus) -> None:
    """Locations, accelerator types, versions: lists, and one of each."""

    @routes.get(PLACE)
    def locations(version: str, project: str) -> Any:
        tpus.check(project, "-", "locations.list")
        items = [_location(project, zone) for zone in catalogue.ZONES]
        return tpus.page(_chosen(items), "locations")

    @routes.get(ZONE)
    def location(version: str, project: str, zone: str) -> Any:
        tpus.check(project, zone, "locations.get")
        if zone not in catalogue.ZONES:
            raise missing(f"projects/{project}/locations/{zone}")
        return tpus.answer(_location(project, zone))

    @routes.get(f"{ZONE}/{_OFFERS}")
    def listed(version: str, project: str, zone: str, kind: str) -> Any:
        tpus.check(project, zone, f"{kind.lower()}.list")
        return tpus.page(_chosen(_offers(project, zone, kind)), kind)

    @routes.get(f"{ZONE}/{_OFFERS}/<name>")
    def one(version: str, project: str, zone: str, kind: str, name: str) -> Any:
        tpus.check(project, zone, f"{kind.lower()}.get")
        path = f"projects/{project}/locations/{zone}/{kind}/{name}"
        for offer in _offers(project, zone, kind):
            if offer["name"] == path:
                return tpus.answer(offer)
        raise missing(path)


def _offers(project: str, zone: str, kind: str) -> list[Json]:
    parent = f"projects/{project}/locations/{zone}/{kind}"
    if kind == "acceleratorTypes":
        return [
            {
                "name": f"{parent}/{made.type}",
                "type": made.type,
                "acceleratorConfigs": [_config(*catalogue.config_of(made))],
            }
            for made in catalogue.accelerators_of(zone)
        ]
    is_new = kind == "runtimeVersions"
    found = catalogue.runtimes_of(zone) if is_new else catalogue.tensorflow_of(zone)
    return [{"name": f"{parent}/{each}", "version": each} for each in found]


def _chosen(items: list[Json]) -> list[Json]:
    """Those that the query filters for, in the order that it asks for."""
    fits = parse_filter(request.args.get("filter", ""))
    found = list(filter(fits, items))
    field, _, direction = request.args.get("orderBy", "").strip().partition(" ")
    if not field:
        return found
    return sorted(
        found,
        key=lambda item: str(item.get(field, "")),
        reverse=direction.strip() == "desc",
    )


def _config(type_: str, topology: str) -> Json:
    return {"type": type_, "topology": topology}


def _location(project: str, zone: str) -> Json:
    name = f"projects/{project}/locations/{zone}"
    labels = {"cloud.googleapis.com/region": zone.rpartition("-")[0]}
    return {"name": name, "locationId": zone, "labels": labels}
