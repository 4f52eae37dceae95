"""The OpenAPI 3.1 description, made from the declared routes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

import iris
from iris.controller.api.route import Media, NoQuery, Route
from iris.domain.views import Problem

Json = dict[str, Any]
_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{(\w+)}")
_SEQ_HEADER: Json = {
    "Iris-Seq": {
        "description": "The newest sequence number that the answer shows; durable.",
        "schema": {"type": "integer"},
    }
}


def build_openapi(routes: Iterable[Route]) -> Json:
    """The whole description."""
    all_routes = tuple(routes)
    types = tuple(dict.fromkeys(_types_of(all_routes)))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, Json] = {}
    for route in all_routes:
        operation = _operation(route, schema_of, components)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    for query in {route.query.__name__ for route in all_routes}:
        components.pop(query, None)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Iris controller", "version": iris.__version__},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _types_of(routes: Iterable[Route]) -> Iterable[Any]:
    yield Problem
    for route in routes:
        yield from (kind for kind in (route.body, route.answer) if kind is not None)
        yield route.query


def _operation(route: Route, schema_of: dict[Any, Json], components: Json) -> Json:
    operation: Json = {
        "operationId": route.function.__name__ + ("_head" * (route.method == "HEAD")),
        "summary": route.summary,
        "tags": [route.function.__module__.rpartition(".")[2]],
        "parameters": [*_path_parameters(route), *_query(route, components)],
        "responses": _responses(route, schema_of),
        "security": [{"token": []}] if route.roles else [],
    }
    if route.roles:
        operation["x-iris-roles"] = sorted(str(role) for role in route.roles)
    if route.body is not None:
        operation["requestBody"] = _request_body(route, schema_of)
    return operation


def _path_parameters(route: Route) -> Iterable[Json]:
    for name in _PARAMETER.findall(route.path):
        schema = {"type": "string", "pattern": "^[^/:]+$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query(route: Route, components: Json) -> Iterable[Json]:
    if route.query is NoQuery:
        return
    properties = components[route.query.__name__]["properties"]
    for name, schema in properties.items():
        yield {"name": name, "in": "query", "schema": schema}


def _request_body(route: Route, schema_of: dict[Any, Json]) -> Json:
    if route.body is bytes:
        content: Json = {Media.BYTES.value: {}}
    else:
        content = {Media.JSON.value: {"schema": schema_of[route.body]}}
    return {"required": not route.body_optional, "content": content}


def _responses(route: Route, schema_of: dict[Any, Json]) -> Json:
    good: Json = {"description": route.summary, "headers": _SEQ_HEADER}
    if route.method != "HEAD":
        good["content"] = _answer_content(route, schema_of)
    refused = ("401", "403") if route.roles else ()
    return {
        str(route.status): good,
        **{code: _problem(schema_of) for code in refused},
        "default": _problem(schema_of),
    }


def _answer_content(route: Route, schema_of: dict[Any, Json]) -> Json:
    if route.answer is None:
        return {Media.JSON.value: {"schema": {"type": "object"}}}
    if route.media is Media.JSON:
        return {Media.JSON.value: {"schema": schema_of[route.answer]}}
    if route.media is Media.EVENTS:
        words = f"Server-sent events; `data` is JSON: {schema_of[route.answer]['$ref']}"
        return {Media.EVENTS.value: {"schema": {"type": "string", "title": words}}}
    if route.media is Media.TEXT:
        return {Media.TEXT.value: {"schema": {"type": "string"}}}
    return {Media.BYTES.value: {}}


def _problem(schema_of: dict[Any, Json]) -> Json:
    return {
        "description": "A refusal or a failure; `code` is stable.",
        "content": {"application/problem+json": {"schema": schema_of[Problem]}},
    }
