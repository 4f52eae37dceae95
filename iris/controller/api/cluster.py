"""The cluster at a glance, its drain, health and numbers."""

from __future__ import annotations

from iris.controller.api.query import deadline_of
from iris.controller.api.route import (
    ANYONE,
    OPEN,
    OPERATORS,
    READERS,
    Call,
    Media,
    NoQuery,
    Routes,
    Service,
)
from iris.controller.fleet_views import view_cluster, view_health
from iris.domain.pages import DrainRequest
from iris.domain.views import ClusterView, Health

routes = Routes()


@routes.add("GET", "/health", roles=OPEN, answer=Health, service=Service.RESERVE)
def get_health(call: Call[None, NoQuery]) -> Health:
    """Who answers, and how late each loop is."""
    return view_health(call.parts)


@routes.add("GET", "/v1/cluster", roles=READERS, answer=ClusterView)
def get_cluster(call: Call[None, NoQuery]) -> ClusterView:
    """The cluster at a glance."""
    return view_cluster(call.parts)


@routes.add(
    *("POST", "/v1/cluster:drain"),
    roles=OPERATORS,
    body=DrainRequest,
    body_optional=True,
    answer=ClusterView,
)
def drain_cluster(call: Call[DrainRequest | None, NoQuery]) -> ClusterView:
    """Give every slice back and make no new ones; jobs wait.

    What runs has its signal, and `deadline` seconds, or else its job's own grace.
    """
    call.parts.state.drain_cluster(call.caller.user, deadline_of(call.body))
    return view_cluster(call.parts)


@routes.add("POST", "/v1/cluster:resume", roles=OPERATORS, answer=ClusterView)
def resume_cluster(call: Call[None, NoQuery]) -> ClusterView:
    """Let slices come again after a drain."""
    call.parts.state.resume_cluster(call.caller.user)
    return view_cluster(call.parts)


@routes.add("GET", "/metrics", roles=ANYONE, answer=str, media=Media.TEXT)
def get_metrics(call: Call[None, NoQuery]) -> bytes:
    """What Prometheus reads."""
    return call.parts.metrics.text()
