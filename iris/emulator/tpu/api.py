"""Cloud TPU over HTTP: v2, v2alpha1 alike, and the lists of v1."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from iris.emulator.errors import Json, Refusal
from iris.emulator.parts import Parts
from iris.emulator.routes import Routes
from iris.emulator.tpu.desk import Tpus
from iris.emulator.tpu.enums import with_names
from iris.emulator.tpu.places import ZONE, add_places
from iris.emulator.tpu.queued_wishes import first_slice_in
from iris.emulator.tpu.views import queued_view
from iris.emulator.tpu.wishes import Wish


def blueprint(parts: Parts) -> Blueprint:
    """The routes below /v2, /v2alpha1 and /v1."""
    routes = Routes("tpu", __name__)
    tpus = Tpus(parts)
    parts.strikes.extend((tpus.fates.strike, tpus.queue.strike))
    _slices(routes, tpus)
    _slice_verbs(routes, tpus)
    _queued(routes, tpus)
    _operations(routes, tpus)
    add_places(routes, tpus)
    with tpus.lock:
        parts.core.driver.restore(tpus.slices.resume())
        tpus.fates.resume()
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
        name, body = request.args.get("nodeId", ""), _body()
        tpus.check_account(project, body)
        wish = Wish(project=project, zone=zone, name=name, body=body)
        with tpus.lock:
            return tpus.answer(tpus.operations.view(slices.create(wish)))

    @routes.get(f"{ZONE}/nodes")
    def listed(version: str, project: str, zone: str) -> Any:
        tpus.check(project, zone, "nodes.list")
        with tpus.lock:
            found = tpus.now(slices.past, project, zone)
            return tpus.page([tpus.shown(tpu) for tpu in found], "nodes")

    @routes.get(one)
    def get(version: str, project: str, zone: str, name: str) -> Any:
        tpus.check(project, zone, "nodes.get")
        with tpus.lock:
            return tpus.answer(tpus.shown(slices.get(project, zone, name)))

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
            operation = tpus.changes.update(found, _body(), mask)
            return tpus.answer(tpus.operations.view(operation))


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
            vms = [found.vms[at] for at in _workers(_body(), len(found.vms))]
        path = str(_body().get("queryPath") or "")
        driver = tpus.parts.core.driver
        rows = [_guest_row(driver.guest_attributes(vm.id), path) for vm in vms]
        return tpus.answer({"guestAttributes": rows})


def _workers(body: Json, count: int) -> list[int]:
    """Which workers are asked, all of them for none and for an empty name."""
    asked = [str(each) for each in body.get("workerIds") or [] if each != ""]
    known = [str(worker) for worker in range(count)]
    wrong = [each for each in asked if each not in known]
    if wrong:
        raise Refusal("invalid", f"Invalid worker id '{wrong[0]}'.")
    return [known.index(each) for each in asked] or list(range(count))


def _guest_row(attributes: dict[str, dict[str, str]], path: str) -> Json:
    space, _, key = path.strip("/").partition("/")
    items = [
        {"namespace": each, "key": name, "value": value}
        for each, values in attributes.items()
        for name, value in values.items()
        if space in ("", each) and key in ("", name)
    ]
    return {"queryPath": path, "queryValue": {"items": items}}


def _queued(routes: Blueprint, tpus: Tpus) -> None:
    queue = tpus.queue
    many, one = f"{ZONE}/queuedResources", f"{ZONE}/queuedResources/<name>"

    @routes.post(many)
    def create(version: str, project: str, zone: str) -> Any:
        tpus.check(project, zone, "queuedResources.create")
        name, asked = (
            request.args.get(each, "") for each in ("queuedResourceId", "requestId")
        )
        body = _body()
        tpus.check_account(project, first_slice_in(body))
        with tpus.lock:
            operation = queue.create(project, zone, name, body, asked)
            return tpus.answer(tpus.operations.view(operation))

    @routes.get(many)
    def listed(version: str, project: str, zone: str) -> Any:
        tpus.check(project, zone, "queuedResources.list")
        with tpus.lock:
            found = tpus.now(queue.past, project, zone)
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
            asked = request.args.get("requestId", "")
            operation = queue.delete(found, force=force, request_id=asked)
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
        tpus.check(project, zone, "operations.get")
        with tpus.lock:
            operations.cancel(operations.get(project, zone, name))
        return tpus.answer({})
