"""One WSGI application for all APIs of the emulator, and the faults of any request."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import suppress
from typing import Any

import msgspec
from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from iris.emulator.admin import blueprint as admin_blueprint
from iris.emulator.asked import api_of, asked_now, denied_words
from iris.emulator.compute.api import blueprint as compute_blueprint
from iris.emulator.errors import Refusal, kind_of_status, missing, too_many_calls
from iris.emulator.faults import Fault, FaultKind
from iris.emulator.parts import Parts
from iris.emulator.rights import blueprint as rights_blueprint
from iris.emulator.tpu.api import blueprint as tpu_blueprint

_LOG = logging.getLogger(__name__)
RATE_LIMITED = 429
_NEVER = threading.Event()
_BEFORE = (
    FaultKind.UNAVAILABLE,
    FaultKind.RATE_LIMITED,
    FaultKind.NOT_AUTHENTICATED,
    FaultKind.NOT_PERMITTED,
)


def create_app(parts: Parts) -> Flask:
    """The application; it starts nothing."""
    app = Flask("iris.emulator")
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask types the base
    app.url_map.merge_slashes = False
    for made in (compute_blueprint, tpu_blueprint, rights_blueprint, admin_blueprint):
        app.register_blueprint(made(parts))
    _plan_again(parts)

    @app.before_request
    def enter() -> None:
        _enter(parts)

    @app.after_request
    def leave(response: Response) -> Response:
        return _leave(parts, response)

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Any:
        is_compute = api_of(request.path) == "compute"
        body, status = refusal.compute() if is_compute else refusal.tpu()
        return jsonify(body), status

    @app.errorhandler(HTTPException)
    def unknown(error: HTTPException) -> Any:
        if error.code == 404:
            return refused(missing(request.path.lstrip("/")))
        return refused(Refusal("invalid", f"{error.code} {error.name}"))

    # a fault of the emulator itself is answered as the cloud answers one of its own
    @app.errorhandler(Exception)
    def failed(error: Exception) -> Any:
        _LOG.exception("a request failed path=%s", request.path)
        return refused(Refusal("internal", f"Internal error: {error}"))

    return app


def _plan_again(parts: Parts) -> None:
    """What was planned before a restart strikes when its time comes."""
    for begins_at in parts.core.faults.begin_at():
        left = max(begins_at - parts.core.clock.now(), 0.0)
        for strike in parts.strikes:
            parts.core.later.after(left, strike)


def _enter(parts: Parts) -> None:
    if request.path.startswith("/admin/") or request.path == "/":
        return
    slow = _take(parts, FaultKind.SLOW_REPLY)
    if slow is not None:
        parts.core.clock.wait(_NEVER, slow.seconds)
    _refuse(_take(parts, *_BEFORE))
    _forget(parts)
    g.caller = parts.access.caller(request.headers.get("Authorization", ""))


def _refuse(fault: Fault | None) -> None:
    if fault is None:
        return
    if fault.kind is FaultKind.RATE_LIMITED or fault.status == RATE_LIMITED:
        raise too_many_calls()
    if fault.kind is FaultKind.UNAVAILABLE:
        words = "The service is currently unavailable."
        raise Refusal(kind_of_status(fault.status), words)
    if fault.kind is FaultKind.NOT_AUTHENTICATED:
        words = "Request had invalid authentication credentials."
        raise Refusal("required", words)
    raise Refusal("forbidden", denied_words())


def _forget(parts: Parts) -> None:
    is_polled = asked_now().verb == "operation"
    if is_polled and _take(parts, FaultKind.OPERATION_FORGOTTEN) is not None:
        path = request.path.partition("/projects/")[2].removesuffix("/wait")
        raise missing(f"projects/{path}")


def _leave(parts: Parts, response: Response) -> Response:
    if request.path.startswith("/admin/") or response.status_code >= 400:
        return response
    fault = _take(parts, FaultKind.REPLY_LOST, FaultKind.REPLY_GARBLED)
    if fault is not None and fault.kind is FaultKind.REPLY_LOST:
        _cut_connection()
    elif fault is not None:
        response.set_data(response.get_data()[: len(response.get_data()) // 2])
    return response


def _cut_connection() -> None:
    """The effect stands, the answer never arrives."""
    connection = request.environ.get("werkzeug.socket")
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _take(parts: Parts, *kinds: FaultKind) -> Fault | None:
    return parts.core.faults.take(*kinds, **msgspec.structs.asdict(asked_now()))
