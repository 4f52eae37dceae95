"""Every route of the API, the one that describes them included."""

from __future__ import annotations

from functools import cache
from typing import Any

from iris.controller.api import (
    access,
    bundles,
    cluster,
    costs,
    entering,
    events,
    jobs,
    logs,
    outputs,
    secrets,
    slices,
    workers,
)
from iris.controller.api.route import ANYONE, Call, NoQuery, Route, Routes
from iris.controller.openapi import build_openapi

routes = Routes()


@routes.add("GET", "/v1/openapi.json", roles=ANYONE, answer=dict[str, Any])
def get_openapi(call: Call[None, NoQuery]) -> dict[str, Any]:
    """This description."""
    return _described()


EVERY_ROUTE: tuple[Route, ...] = (
    *cluster.routes,
    *jobs.routes,
    *entering.routes,
    *logs.routes,
    *outputs.routes,
    *slices.routes,
    *workers.routes,
    *events.routes,
    *costs.routes,
    *bundles.routes,
    *secrets.routes,
    *access.routes,
    *routes,
)


@cache
def _described() -> dict[str, Any]:
    return build_openapi(EVERY_ROUTE)
