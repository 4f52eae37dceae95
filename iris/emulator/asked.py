"""What a request asks for, read before its API reads it: for faults, and for 403s."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
from flask import request

_VERBS = {"GET": "get", "DELETE": "delete", "POST": "create", "PATCH": "update"}
_COLLECTIONS = frozenset(
    [
        "instances",
        "disks",
        "nodes",
        "queuedResources",
        "operations",
        "acceleratorTypes",
        "runtimeVersions",
        "zones",
        "locations",
        "machineTypes",
    ]
)


class Asked(msgspec.Struct, frozen=True):
    """One request, in the words of a fault."""

    api: str
    verb: str
    zone: str
    type: str
    name: str


def asked_now() -> Asked:
    """What this request asks for."""
    arguments = request.view_args or {}
    body = request.get_json(silent=True) if request.method == "POST" else None
    body = body if isinstance(body, dict) else {}
    by_query = request.args.get("nodeId") or request.args.get("queuedResourceId")
    return Asked(
        api=api_of(request.path),
        verb=_verb(),
        zone=str(arguments.get("zone", "")),
        type=_type_in(body),
        name=str(arguments.get("name") or by_query or body.get("name", "")),
    )


def api_of(path: str) -> str:
    """compute, tpu, or another that is asked for rights."""
    if path.startswith("/compute/"):
        return "compute"
    return "tpu" if "/locations" in path else "rights"


def denied_words(permission: str = "") -> str:
    """What either API says to a caller who lacks the right."""
    path, _, action = request.path.partition("/projects/")[2].partition(":")
    parts = path.strip("/").split("/")
    if api_of(request.path) == "compute":
        # the name of a resource may be followed by what is asked of it
        is_action = len(parts) > 2 and parts[-3] in _COLLECTIONS - {"zones"}
        action = parts.pop() if is_action else action or _verb()
        return (
            f"Required 'compute.{_kind(parts)}.{action}' permission for "
            f"'projects/{'/'.join(parts)}'"
        )
    kind, action = _kind(parts), action or _verb()
    parent = parts[:-1] if parts[-1] == kind else parts
    return (
        f"Permission '{permission or f'tpu.{kind}.{action}'}' denied on "
        f"'projects/{'/'.join(parent)}' (or it may not exist)."
    )


def _kind(parts: list[str]) -> str:
    return next((p for p in reversed(parts) if p in _COLLECTIONS), "projects")


def _type_in(body: dict[str, Any]) -> str:
    """The accelerator, machine or disk type of what a body would create."""
    wanted: Any = body
    with suppress(LookupError, TypeError):  # refused later, by its API
        wanted = body["tpu"]["nodeSpec"][0]["node"]
    body = wanted if isinstance(wanted, dict) else {}
    named = body.get("acceleratorType") or body.get("machineType") or body.get("type")
    return str(named or "").rpartition("/")[2]


def _verb() -> str:
    """create, delete, get, list or update; operations are their own."""
    parts = request.path.rstrip("/").split("/")
    if "operations" in parts:
        return "operation"
    if request.method == "GET":
        return "list" if parts[-1] in _COLLECTIONS else "get"
    if request.method == "POST" and parts[-1] not in _COLLECTIONS:
        return "update"
    return _VERBS.get(request.method, request.method.lower())
