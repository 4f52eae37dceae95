"""The emulator's own side: ledger, faults, its end. No part of Google's APIs."""

from __future__ import annotations

import os
import signal
from typing import Any

import msgspec
from flask import Blueprint, Response, jsonify, request

from iris.emulator.faults import Fault, FaultKind
from iris.emulator.parts import Parts
from iris.emulator.quota import Limit

HEADER = "X-Iris-Admin"  # what no page of a browser can send


class AdminRefusal(Exception):
    """What the admin side does not do, and why."""


def blueprint(parts: Parts) -> Blueprint:
    """Its routes, below /admin/."""
    routes = Blueprint("admin", __name__, url_prefix="/admin")

    @routes.before_request
    def only_ours() -> Any:
        if request.headers.get(HEADER) != "1":
            return jsonify({"error": f"the header {HEADER}: 1 is missing"}), 403
        return None

    @routes.errorhandler(AdminRefusal)
    def refused(error: AdminRefusal) -> Any:
        return jsonify({"error": str(error)}), 400

    _looks(routes, parts)
    _settings(routes, parts)
    _faults(routes, parts)
    _end(routes, parts)
    return routes


def _looks(routes: Blueprint, parts: Parts) -> None:
    @routes.get("/ledger")
    def ledger() -> Any:
        return jsonify({"resources": parts.ledger.rows()})

    @routes.get("/vms")
    def vms() -> Any:
        return jsonify({"running": sorted(parts.core.driver.running())})

    @routes.get("/way/<address>/<int:port>")
    def way(address: str, port: int) -> Any:
        found = parts.core.driver.way_to(address, port)
        if found is None:
            raise AdminRefusal(f"{address} is of no VM of this emulator")
        return jsonify({"address": found[0], "port": found[1]})

    @routes.get("/vms/<vm_id>/serial")
    def serial(vm_id: str) -> Any:
        return Response(parts.core.driver.serial(vm_id), mimetype="text/plain")


def _settings(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/projects")
    def open_project() -> Any:
        body = request.get_json(silent=True) or {}
        return jsonify(msgspec.to_builtins(parts.projects.get(str(body["project"]))))

    @routes.post("/quotas")
    def set_quota() -> Any:
        parts.quota.set(_read(Limit))
        return jsonify({})

    @routes.post("/rights")
    def set_right() -> Any:
        body = request.get_json(silent=True) or {}
        change = parts.access.deny if body.get("deny") else parts.access.allow
        change(str(body.get("email", "")), str(body["permission"]))
        return jsonify({})


def _faults(routes: Blueprint, parts: Parts) -> None:
    @routes.get("/faults")
    def planned() -> Any:
        found = parts.core.faults.planned()
        rows = [{"id": id_, **msgspec.to_builtins(fault)} for id_, fault in found]
        return jsonify({"planned": rows})

    @routes.post("/faults")
    def inject() -> Any:
        fault = _read(Fault)
        id_ = parts.core.faults.inject(fault)
        for strike in parts.strikes:
            parts.core.later.after(fault.after, strike)
        return jsonify({"id": id_})

    @routes.delete("/faults")
    def withdraw() -> Any:
        parts.core.faults.withdraw()
        return jsonify({})

    @routes.delete("/faults/<int:fault_id>")
    def withdraw_one(fault_id: int) -> Any:
        parts.core.faults.withdraw(fault_id)
        return jsonify({})

    @routes.get("/struck")
    def struck() -> Any:
        found = parts.core.faults.struck()
        return jsonify({"struck": [msgspec.to_builtins(each) for each in found]})


def _end(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/stop")
    def stop() -> Any:
        """End every VM first where that is asked for; then this process."""
        if request.args.get("end_all", "").lower() == "true":
            parts.core.driver.close(end_all=True)
        response = jsonify({})
        response.call_on_close(lambda: os.kill(os.getpid(), signal.SIGTERM))
        return response


def _read(kind: Any) -> Any:
    try:
        return msgspec.convert(request.get_json(silent=True), kind)
    except msgspec.ValidationError as error:
        is_of_kind = kind is Fault and str(error).endswith("`$.kind`")
        kinds = f"; kinds are {', '.join(FaultKind)}" if is_of_kind else ""
        raise AdminRefusal(f"{error}{kinds}") from None
