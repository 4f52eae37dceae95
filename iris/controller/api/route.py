"""Routes as declarations: Flask's rules and the OpenAPI are both made from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

import msgspec

from iris.controller.auth import Caller
from iris.controller.parts import Parts
from iris.domain.access import Role

Body = TypeVar("Body")
Query = TypeVar("Query")
Answer = TypeVar("Answer")
KIB, MIB = 1 << 10, 1 << 20

OPEN: frozenset[Role] = frozenset()
READERS = frozenset({Role.OPERATOR, Role.USER, Role.VIEWER})
USERS = frozenset({Role.OPERATOR, Role.USER})
OPERATORS = frozenset({Role.OPERATOR})
WORKERS = frozenset({Role.WORKER})
ANYONE = frozenset(Role)


class NoQuery(msgspec.Struct, frozen=True):
    """A route without query parameters."""


class Service(Enum):
    """Which threads serve a route."""

    REQUEST = "request"
    STREAM = "stream"
    RESERVE = "reserve"


class Media(Enum):
    """What the bodies of a route's answers are."""

    JSON = "application/json"
    EVENTS = "text/event-stream"
    BYTES = "application/octet-stream"
    TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Call(Generic[Body, Query]):
    """One request whose caller may make it, with everything decoded."""

    parts: Parts
    caller: Caller
    token_hash: str
    params: dict[str, str]
    query: Query
    body: Body
    has_gone: Callable[[], bool]  # did the client close its connection?


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path."""

    method: str
    path: str  # as the OpenAPI writes it, whole
    function: Callable[[Call[Any, Any]], object]
    roles: frozenset[Role]
    joins: bool = False  # do join tokens open it?
    for_jobs: bool = False  # does a job's token, for itself and its children?
    body: Any = None  # the type of the body; bytes for anything
    body_optional: bool = False
    most_bytes: int = MIB  # of the body
    query: type[msgspec.Struct] = NoQuery
    answer: Any = None
    media: Media = Media.JSON
    status: int = 200
    service: Service = Service.REQUEST

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    @property
    def rule(self) -> str:
        """The path as Flask writes it."""
        return self.path.replace("{", "<name:").replace("}", ">")


class Routes:
    """The routes of one module of the API."""

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def add(
        self, method: str, path: str, **options: Any
    ) -> Callable[[Callable[[Call[Body, Query]], Answer]], Callable[..., Answer]]:
        """Declare the route that a function answers."""

        def declare(
            function: Callable[[Call[Body, Query]], Answer],
        ) -> Callable[..., Answer]:
            self._routes.append(
                Route(method=method, path=path, function=function, **options)
            )
            return function

        return declare
