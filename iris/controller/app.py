"""The HTTP edge: who calls, what they sent, what they get. Starts nothing.

The order is fixed: token, role, a place to be served in, parameters, body. An answer
leaves once everything that it shows is durable.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Request, Response, request, send_file
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import BaseConverter

from iris import wire
from iris.controller.api.every import EVERY_ROUTE
from iris.controller.api.route import Call, Media, Route, Service
from iris.controller.auth import Caller, Gate, bearer
from iris.controller.change import hash_token
from iris.controller.parts import Parts
from iris.controller.places import RETRY_AFTER, Place
from iris.domain.access import Role
from iris.domain.views import Problem
from iris.errors import (
    Busy,
    IrisError,
    NotAllowed,
    NotAuthenticated,
    StoreFailed,
    UsageError,
)

_LOG = logging.getLogger(__name__)
_CODES = {400: "usage-error", 404: "not-there", 405: "method-not-allowed"}
_CODES[413] = "too-large"
_NOBODY = Caller(Role.VIEWER, "")


class _Name(BaseConverter):
    """One part of a path; a colon begins what is done with it."""

    regex = "[^/:]+"


def create_app(parts: Parts) -> Flask:
    """The WSGI application over its parts."""
    app = Flask("iris", static_folder=None)
    app.url_map.converters["name"] = _Name
    app.url_map.merge_slashes = False
    edge = _Edge(parts)
    for route in EVERY_ROUTE:
        app.add_url_rule(
            route.rule,
            endpoint=f"{route.method} {route.path}",
            view_func=edge.view_of(route),
            methods=[route.method],
            provide_automatic_options=False,
        )
    app.register_error_handler(HTTPException, edge.refuse_unrouted)
    return app


class _Edge:
    """Turns requests into calls, and what comes of them into responses."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._gate = Gate(parts.state)

    def view_of(self, route: Route) -> Callable[..., Response]:
        """The function that Flask calls for a route."""

        def view(**params: str) -> Response:
            began = time.perf_counter()
            response = self._answer(route, params)
            self._count(route, response, time.perf_counter() - began)
            return response

        return view

    def refuse_unrouted(self, error: HTTPException) -> Response:
        """No route has this path and method; strangers are not told which have."""
        try:
            self._gate.identify(_authorization(request))
        except NotAuthenticated as refused:
            return _problem_response(wire.error_to_problem(refused))
        response = _problem_response(_problem_of_http(error))
        for name, value in error.get_headers():
            if name == "Allow":
                response.headers[name] = value
        return response

    def _answer(self, route: Route, params: dict[str, str]) -> Response:
        place: Place | None = None
        self._parts.state.look_afresh()
        try:
            caller = self._identify(route)
            place = self._take_place(route)
            answer = route.function(self._call(route, caller, params))
            response = self._respond(route, answer, place)
        except IrisError as error:
            response = _refused(route, error)
        except HTTPException as error:
            response = _problem_response(_problem_of_http(error))
        except Exception:
            # the edge: whatever it was, the caller gets a reference to the log
            response = _failed(route)
        if place is not None and response.mimetype != Media.EVENTS.value:
            place.release()  # a stream gives its place back when it is closed
        return response

    def _identify(self, route: Route) -> Caller:
        if not route.roles:
            return _NOBODY
        authorization = _authorization(request)
        if route.joins:
            caller = self._gate.identify_joining(authorization)
        else:
            caller = self._gate.identify(authorization)
        if caller.role not in route.roles and not route.joins:
            allowed = ", ".join(sorted(str(role) for role in route.roles))
            raise NotAllowed(
                f"{route.method} {route.path} is for {allowed}; "
                f"this token's role is {caller.role}"
            )
        if caller.job_uid and not route.for_jobs:
            raise NotAllowed(
                f"{route.method} {route.path} is not for the token of a job",
                hint="It speaks for its job and the children of that alone.",
            )
        return caller

    def _take_place(self, route: Route) -> Place | None:
        if route.service is Service.RESERVE:
            return None
        is_stream = route.service is Service.STREAM
        return (self._parts.streams if is_stream else self._parts.requests).take()

    def _call(
        self, route: Route, caller: Caller, params: dict[str, str]
    ) -> Call[Any, Any]:
        query = wire.convert(_query_of(route, request), route.query)
        return Call(
            parts=self._parts,
            caller=caller,
            token_hash=hash_token(bearer(_authorization(request)))
            if route.joins
            else "",
            params=params,
            query=query,
            body=_body_of(route, request),
            has_gone=request.environ.get("waitress.client_disconnected", _still_there),
        )

    def _respond(self, route: Route, answer: object, place: Place | None) -> Response:
        seq = self._parts.state.seen_seq()
        self._parts.state.wait_durable(seq)
        if isinstance(answer, Path):
            response = send_file(answer, mimetype=Media.BYTES.value, etag=False)
        elif route.media is Media.EVENTS and isinstance(answer, Iterator):
            response = Response(_guarded(route, answer), mimetype=Media.EVENTS.value)
            response.headers["Cache-Control"] = "no-store"
            if place is not None:
                response.call_on_close(place.release)
        elif isinstance(answer, bytes):
            response = Response(answer, mimetype=route.media.value)
        else:
            content = wire.encode({} if answer is None else answer)
            response = Response(content, route.status, mimetype=Media.JSON.value)
        response.headers["Iris-Seq"] = str(seq)
        return response

    def _count(self, route: Route, response: Response, seconds: float) -> None:
        name = f"{route.method} {route.path}"
        self._parts.metrics.requests.labels(name, response.status_code).inc()
        if route.service is not Service.STREAM:
            self._parts.metrics.seconds.labels(name).observe(seconds)


def _refused(route: Route, error: IrisError) -> Response:
    # a place that is taken is no event, and a store that failed says so itself
    if error.http_status >= 500 and not isinstance(error, Busy | StoreFailed):
        _LOG.error('request failed route=%s because="%s"', route.path, error)
    return _problem_response(wire.error_to_problem(error))


def _authorization(incoming: Request) -> str:
    return incoming.headers.get("Authorization", "")


def _query_of(route: Route, incoming: Request) -> dict[str, str]:
    known = route.query.__struct_fields__
    for name in incoming.args:
        if name not in known:
            raise UsageError(
                f"{name[:80]!r} is no parameter of {route.method} {route.path}",
                hint=f"It takes: {', '.join(known) or 'none'}.",
            )
    return incoming.args.to_dict()


def _body_of(route: Route, incoming: Request) -> Any:
    if route.body is None:
        return None
    if (incoming.content_length or 0) > route.most_bytes:
        raise RequestEntityTooLarge(f"a body here has {route.most_bytes} bytes at most")
    incoming.max_content_length = route.most_bytes
    if route.body is bytes:
        return incoming.stream
    content = incoming.get_data(cache=False)
    if not content and route.body_optional:
        return route.body()
    return wire.decode(content, route.body)


def _problem_of_http(error: HTTPException) -> Problem:
    status = error.code or 500
    detail = error.description or error.name
    if status == 404:
        detail = f"there is no route {request.path[:200]}"
    if status == 405:
        detail = f"{request.path[:200]} does not take {request.method}"
    code = _CODES.get(status, "http-error")
    return Problem(code=code, title=error.name, status=status, detail=detail)


def _problem_response(problem: Problem) -> Response:
    response = Response(
        wire.encode(problem), problem.status, mimetype="application/problem+json"
    )
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if problem.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def _failed(route: Route) -> Response:
    reference = secrets.token_hex(4)
    _LOG.exception("request broke route=%s reference=%s", route.path, reference)
    return _problem_response(
        Problem(
            code="internal-error",
            title="The controller met a fault of its own",
            status=500,
            detail=f"the controller's log says what happened, reference {reference}",
            hint="See `inv probe.logs`.",
        )
    )


def _guarded(route: Route, stream: Iterator[bytes]) -> Iterator[bytes]:
    """A stream that breaks ends, and says why in the log alone."""
    try:
        yield from stream
    except Exception:
        # the headers have left: all that remains is to close the connection
        _LOG.exception("stream broke route=%s", route.path)


def _still_there() -> bool:
    return False
