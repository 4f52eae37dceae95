"""Cloud TPU over HTTP: v2, v2alpha1 alike, and the lists of v1."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, jsonify, request

from iris.emulator.errors import Json, Refusal, missing
from iris.emulator.faults import FaultKind
from iris.emulator.paging import page_of, size_from
from iris.emulator.parts import Parts
from iris.emulator.routes import Routes
from iris.emulator.tpu import catalogue
from iris.emulator.tpu.enums import with_names, with_numbers
from iris.emulator.tpu.fates import Fates
from iris.emulator.tpu.operations import Operations
from iris.emulator.tpu.queue import Queue
from iris.emulator.tpu.slices import Slices
from iris.emulator.tpu.views import queued_view
from iris.emulator.tpu.wishes import Wish, require_zone

PLACE = "/<any(v2, v2alpha1, v1):version>/projects/<project>/locations"
ZONE = f"{PLACE}/<zone>"


class Tpus:
    """The parts of Cloud TPU, and the checks of each request."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.lock = parts.core.lock
        self.operations = Operations(parts.core)
        self.slices = Slices(parts, self.operations)
        self.fates = Fates(parts.core, self.slices, self.operations)
        self.queue = Queue(parts, self.operations, self.slices, self.fates)

    def check(self, project: str, zone: str, permission: str) -> None:
        """Raises a 403 for a permission, and for a zone."""
        self.parts.access.require(g.caller, project, f"tpu.{permission}")
        require_zone(self.parts, project, zone)

    def answer(self, body: Json) -> Any:
        """With enums as the caller wants them."""
        wanted = request.args.get("$alt", "")
        return jsonify(with_numbers(body) if "enum-encoding=int" in wanted else body)

    def page(self, items: list[Json], key: str) -> Any:
        """One page of a list; an empty one is `{}`."""
        faults = self.parts.core.faults
        size = size_from(request.args.get("pageSize", ""), 1000, 10_000)
        if faults.take(FaultKind.SMALL_PAGES, api="tpu"):
            size = 1
        silent = self._silent(key)
        items = [item for item in items if not item["name"].startswith(silent)]
        found, token = page_of(items, size, request.args.get("pageToken", ""))
        body: Json = {key: list(found)} if found else {}
        if token:
            body["nextPageToken"] = token
        if silent:
            body["unreachable"] = [each.rstrip("/") for each in silent]
        return self.answer(body)

    def _silent(self, key: str) -> tuple[str, ...]:
        """The locations that a list of all of them lacks just now."""
        asked = request.view_args or {}
        if key not in ("nodes", "queuedResources") or asked.get("zone") != "-":
            return ()
        take, kind = self.parts.core.faults.take, FaultKind.UNREACHABLE_ZONE
        zones = [z for z in catalogue.ZONES if take(kind, api="tpu", zone=z)]
        return tuple(f"projects/{asked['project']}/locations/{z}/" for z in zones)


def blueprint(parts: Parts) -> Blueprint:
    """The routes below /v2, /v2alpha1 and /v1."""
    routes = Routes("tpu", __name__)
    tpus = Tpus(parts)
    parts.strikes.extend((tpus.fates.strike, tpus.queue.strike))
    _slices(routes, tpus)
    _slice_verbs(routes, tpus)
    _queued(routes, tpus)
    _operations(routes, tpus)
    _places(routes, tpus)
    with tpus.lock:
        parts.core.driver.restore(tpus.slices.resume())
        tpus.queue.resume()
    return routes


def _body() -> Json:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise Refusal("invalid", "Invalid JSON payload received.")
    named: Json = with_names(body)
    return named


def _slices(routes: Blueprint, tpus: Tpus) -> None:
    slices = tpus.slices
    one = f"{ZONE}/nodes/<name>"

    @routes.post(f"{ZONE}/nodes")
    def create(version: str, project: str, zone: str) -> Any:
        tpus.check(project, zone, "nodes.create")
        name = request.args.get("nodeId", "")
        wish = Wish(project=project, zone=zone, name=name, body=_body())
        with tpus.lock:
            return tpus.answer(tpus.operations.view(slices.create(wish)))

    @routes.get(f"{ZONE}/nodes")
    def listed(version: str, project: str, zone: str) -> Any:
        tpus.check(project, zone, "nodes.list")
        with tpus.lock:
            found = _fresh(tpus, slices.listed(project, zone))
            return tpus.page([slices.view(tpu) for tpu in found], "nodes")

    @routes.get(one)
    def get(version: str, project: str, zone: str, name: str) -> Any:
        tpus.check(project, zone, "nodes.get")
        with tpus.lock:
            return tpus.answer(slices.view(slices.get(project, zone, name)))

    @routes.delete(one)
    def delete(version: str, project: str, zone: str, name: str) -> Any:
        tpus.check(project, zone, "nodes.delete")
        with tpus.lock:
            operation = slices.delete(slices.get(project, zone, name))
            return tpus.answer(tpus.operations.view(operation))

    @routes.patch(one)
    def update(version: str, project: str, zone: str, name: str) -> Any:
        tpus.check(project, zone, "nodes.update")
        mask = [each for each in request.args.get("updateMask", "").split(",") if each]
        with tpus.lock:
            found = slices.get(project, zone, name)
            operation = tpus.fates.update(found, _body(), mask)
            return tpus.answer(tpus.operations.view(operation))


def _fresh(tpus: Tpus, found: list[Any]) -> list[Any]:
    """Without what a stale list does not know yet."""
    stale = tpus.parts.core.faults.take(FaultKind.STALE_LIST, api="tpu", verb="list")
    if stale is None:
        return found
    as_of = tpus.parts.core.clock.now() - stale.seconds
    return [each for each in found if each.created_at <= as_of]


def _slice_verbs(routes: Blueprint, tpus: Tpus) -> None:
    slices, fates = tpus.slices, tpus.fates
    one = f"{ZONE}/nodes/<name>"

    @routes.post(f"{one}:<any(start, stop):verb>")
    def act(version: str, project: str, zone: str, name: str, verb: str) -> Any:
        tpus.check(project, zone, f"nodes.{verb}")
        with tpus.lock:
            found = slices.get(project, zone, name)
            operation = fates.start(found) if verb == "start" else fates.stop(found)
            return tpus.answer(tpus.operations.view(operation))

    @routes.post(f"{one}:getGuestAttributes")
    def guest(version: str, project: str, zone: str, name: str) -> Any:
        tpus.check(project, zone, "nodes.getGuestAttributes")
        with tpus.lock:
            found = slices.get(project, zone, name)
        asked = [each for each in _body().get("workerIds") or [] if each]
        workers = [int(each) for each in asked] or list(range(len(found.vms)))
        driver = tpus.parts.core.driver
        rows = [_guest_row(driver.guest_attributes(found.vms[w].id)) for w in workers]
        return tpus.answer({"guestAttributes": rows})


def _guest_row(attributes: dict[str, dict[str, str]]) -> Json:
    items = [
        {"namespace": space, "key": key, "value": value}
        for space, values in attributes.items()
        for key, value in values.items()
    ]
    return {"queryPath": "", "queryValue": {"items": items}}


def _queued(routes: Blueprint, tpus: Tpus) -> None:
    queue = tpus.queue
    many, one = f"{ZONE}/queuedResources", f"{ZONE}/queuedResources/<name>"

    @routes.post(many)
    def create(version: str, project: str, zone: str) -> Any:
        tpus.check(project, zone, "queuedResources.create")
        name, asked = (
            request.args.get(each, "") for each in ("queuedResourceId", "requestId")
        )
        with tpus.lock:
            operation = queue.create(project, zone, name, _body(), asked)
            return tpus.answer(tpus.operations.view(operation))

    @routes.get(many)
    def listed(version: str, project: str, zone: str) -> Any:
        tpus.check(project, zone, "queuedResources.list")
        with tpus.lock:
            found = _fresh(tpus, queue.listed(project, zone))
            return tpus.page([queued_view(q) for q in found], "queuedResources")

    @routes.get(one)
    def get(version: str, project: str, zone: str, name: str) -> Any:
        tpus.check(project, zone, "queuedResources.get")
        with tpus.lock:
            return tpus.answer(queued_view(queue.get(project, zone, name)))

    @routes.delete(one)
    def delete(version: str, project: str, zone: str, name: str) -> Any:
        tpus.check(project, zone, "queuedResources.delete")
        force = request.args.get("force", "").lower() == "true"
        with tpus.lock:
            found = queue.get(project, zone, name)
            operation = queue.delete(found, force=force)
            return tpus.answer(tpus.operations.view(operation))


def _operations(routes: Blueprint, tpus: Tpus) -> None:
    operations = tpus.operations
    one = f"{ZONE}/operations/<name>"

    @routes.get(f"{ZONE}/operations")
    def listed(version: str, project: str, zone: str) -> Any:
        tpus.check(project, zone, "operations.list")
        with tpus.lock:
            found = operations.listed(project, zone)
            return tpus.page([operations.view(each) for each in found], "operations")

    @routes.get(one)
    def get(version: str, project: str, zone: str, name: str) -> Any:
        tpus.check(project, zone, "operations.get")
        with tpus.lock:
            found = operations.get(project, zone, name)
            return tpus.answer(operations.view(found))

    @routes.post(f"{one}:cancel")
    def cancel(version: str, project: str, zone: str, name: str) -> Any:
        with tpus.lock:
            operations.cancel(operations.get(project, zone, name))
        return tpus.answer({})


def _places(routes: Blueprint, tpus: Tpus) -> None:
    @routes.get(PLACE)
    def locations(version: str, project: str) -> Any:
        items = [_location(project, zone) for zone in catalogue.ZONES]
        return tpus.page(items, "locations")

    @routes.get(ZONE)
    def location(version: str, project: str, zone: str) -> Any:
        if zone not in catalogue.ZONES:
            raise missing(f"projects/{project}/locations/{zone}")
        return tpus.answer(_location(project, zone))

    @routes.get(f"{ZONE}/acceleratorTypes")
    def types(version: str, project: str, zone: str) -> Any:
        parent = f"projects/{project}/locations/{zone}/acceleratorTypes"
        items = [
            {
                "name": f"{parent}/{made.type}",
                "type": made.type,
                "acceleratorConfigs": [
                    dict(
                        zip(
                            ("type", "topology"), catalogue.config_of(made), strict=True
                        )
                    )
                ],
            }
            for made in catalogue.accelerators_of(zone)
        ]
        return tpus.page(items, "acceleratorTypes")

    @routes.get(f"{ZONE}/<any(runtimeVersions, tensorflowVersions):kind>")
    def versions(version: str, project: str, zone: str, kind: str) -> Any:
        is_new = kind == "runtimeVersions"
        found = catalogue.runtimes_of(zone) if is_new else catalogue.tensorflow_of(zone)
        parent = f"projects/{project}/locations/{zone}/{kind}"
        items = [{"name": f"{parent}/{each}", "version": each} for each in found]
        return tpus.page(items, kind)


def _location(project: str, zone: str) -> Json:
    name = f"projects/{project}/locations/{zone}"
    labels = {"cloud.googleapis.com/region": zone.rpartition("-")[0]}
    return {"name": name, "locationId": zone, "labels": labels}
