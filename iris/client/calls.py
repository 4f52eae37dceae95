"""What every method of the client is made of: one request, one decoded answer."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import quote

import msgspec

from iris import wire
from iris.client.link import Link, Query
from iris.domain.pages import Page
from iris.errors import NotThere

T = TypeVar("T")

MOST_ITEMS = 1000  # of one page


class Packed(Protocol):
    """A bundle on disk, under the SHA-256 of its bytes."""

    @property
    def sha256(self) -> str: ...
    @property
    def path(self) -> Path: ...


class Calls:
    """Asks over a link."""

    _link: Link

    def _get(self, path: str, answer: type[T], query: Query | None = None) -> T:
        return wire.decode(self._link.ask("GET", path, query), answer)

    def _post(
        self, path: str, answer: type[T], body: msgspec.Struct | None = None
    ) -> T:
        content = wire.encode(body) if body is not None else b""
        return wire.decode(self._link.ask("POST", path, body=content), answer)

    def _list(
        self, path: str, kind: type[Page[T]], query: Query, limit: int
    ) -> tuple[T, ...]:
        """Page after page, until there are enough."""
        found: list[T] = []
        page = ""
        while len(found) < limit:
            size = min(limit - len(found), MOST_ITEMS)
            answer = self._get(path, kind, {**query, "limit": size, "page": page})
            found += answer.items
            page = answer.next_page
            if not page:
                break
        return tuple(found)


def part(name: str) -> str:
    """A name as one part of a path; an empty one would ask for something else."""
    if not name:
        raise NotThere("nothing has an empty name")
    return quote(name, safe="")
