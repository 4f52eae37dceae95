"""Whatever is sent, along the API's own description: no answer is a 500."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iris.controller.api.every import EVERY_ROUTE
from iris.controller.api.route import Route, Service
from iris.controller.openapi import build_openapi
from iris.domain.access import Role
from tests.support.desk import Desk, open_desk

DESCRIBED = build_openapi(EVERY_ROUTE)
ROUTES = [route for route in EVERY_ROUTE if route.service is not Service.STREAM]
AWKWARD = st.sampled_from(
    ["", "0", "-1", "a\0b", "..", "%2F", "1e400", "null", "true", "ä€😀", "9" * 30]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers() | st.sampled_from([0, 1, -1, 1 << 31, 1 << 63, 1 << 64]),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "string": st.text(max_size=20) | AWKWARD,
}


@pytest.fixture(scope="module")
def busy_desk(tmp_path_factory):
    """A desk with a worker, a live job and an ended one."""
    with open_desk(tmp_path_factory.mktemp("fuzz")) as desk:
        (worker,) = desk.boot()
        desk.submit(name="live", tasks=3)
        ended = desk.submit(name="ended")
        desk.place(desk.submit(name="runs"), worker)
        desk.ask("POST", f"/v1/jobs/{ended.name}:cancel")
        desk.worker = worker
        yield desk


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Mostly what a schema asks for, now and then something else."""
    return st.integers(0, 19).flatmap(lambda n: _fitting(schema) if n else ANY_JSON)


def _fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _fitting(DESCRIBED["components"]["schemas"][name])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([_fitting(each) for each in schema["anyOf"]])
    if schema.get("type") == "object":
        return _object(schema)
    if schema.get("type") == "array":
        items = schema.get("items", {})
        return st.lists(st.deferred(lambda: values(items)), max_size=3)
    return PLAIN.get(schema.get("type", ""), ANY_JSON)


def _object(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    properties = schema.get("properties")
    if properties is None:
        return st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3)
    required = set(schema.get("required", ()))
    parts = {n: st.deferred(lambda s=s: values(s)) for n, s in properties.items()}
    return st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in required},
        optional={name: part for name, part in parts.items() if name not in required},
    )


@st.composite
def requests(draw: st.DrawFn) -> tuple[Route, str, dict[str, str], bytes]:
    route = draw(st.sampled_from(ROUTES))
    operation = DESCRIBED["paths"][route.path][route.method.lower()]
    known = st.sampled_from(["live", "ended", "runs", "0", "2", "{worker}", "{slice}"])
    words = known | AWKWARD | st.text(max_size=9)
    path = re.sub(r"{\w+}", lambda _: quote(draw(words), safe="%{}"), route.path)
    names = [p["name"] for p in operation["parameters"] if p["in"] == "query"]
    chosen = draw(
        st.lists(st.sampled_from(names), max_size=3) if names else st.just([])
    )
    query = {name: draw(st.sampled_from("159") | AWKWARD) for name in chosen}
    body = b""
    if "requestBody" in operation:
        content = operation["requestBody"]["content"].get("application/json")
        schema = content["schema"] if content else {}
        made = draw(values(schema))
        is_torn = draw(st.integers(0, 9)) == 0
        body = draw(st.binary(max_size=20)) if is_torn else json.dumps(made).encode()
    return route, path, query, body


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(request_=requests())
def test_no_request_breaks_the_controller(busy_desk: Desk, request_):
    route, path, query, body = request_
    worker = busy_desk.worker
    path = path.replace("{worker}", worker.uid).replace(
        "{slice}", worker.row.slice_name
    )
    is_worker = Role.WORKER in route.roles and Role.OPERATOR not in route.roles

    token = worker.token if is_worker else busy_desk.operator
    answer = busy_desk.client.open(
        path,
        method=route.method,
        query_string=query,
        headers={"Authorization": f"Bearer {token}"},
        data=body,
        buffered=True,
    )

    assert answer.status_code < 500, (path, query, body, answer.text)
    if answer.status_code >= 400 and route.method != "HEAD":
        assert answer.mimetype == "application/problem+json"
        assert answer.json["code"]
