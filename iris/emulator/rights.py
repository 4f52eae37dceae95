"""Small services that are asked for rights: resource manager, IAM, service usage."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, jsonify, request

from iris.emulator.parts import Parts


def blueprint(parts: Parts) -> Blueprint:
    """Their routes."""
    routes = Blueprint("rights", __name__)

    @routes.post("/v1/projects/<project>:testIamPermissions")
    def of_project(project: str) -> Any:
        return _held(parts)

    @routes.post("/v1/projects/<project>/serviceAccounts/<email>:testIamPermissions")
    def of_account(project: str, email: str) -> Any:
        return _held(parts)

    @routes.get("/v1/projects/<project>/services/<service>")
    def service(project: str, service: str) -> Any:
        number = parts.projects.get(project).number
        name = f"projects/{number}/services/{service}"
        return jsonify({"name": name, "state": "ENABLED"})

    return routes


def _held(parts: Parts) -> Any:
    asked = (request.get_json(silent=True) or {}).get("permissions", [])
    held = [each for each in asked if parts.access.holds(g.caller.email, each)]
    return jsonify({"permissions": held} if held else {})
