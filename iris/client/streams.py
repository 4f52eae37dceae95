"""Server-sent events, followed over cuts: no event is lost, none comes twice."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from iris.client.link import Link, Query
from iris.errors import Unreachable


class Sent(msgspec.Struct, frozen=True):
    """One event: its name (`message` without one), its cursor, its JSON."""

    name: str
    cursor: str
    content: bytes


def parse(lines: Iterator[bytes]) -> Iterator[Sent]:
    """Events out of lines; one that was cut in the middle is left out.

    The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    name, cursor, content = "message", "", b""
    for line in lines:
        if not line:
            if content:
                yield Sent(name, cursor, content)
            name, content = "message", b""
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value.decode()
        elif field == b"id":
            cursor = value.decode()
        elif field == b"data":
            content += value


def follow(link: Link, path: str, query: Query, cursor_name: str) -> Iterator[Sent]:
    """Events until one is called `end`; a cut stream goes on from its cursor."""
    asked = dict(query)
    while True:
        # who answers is made sure of first: a controller that is away is waited for
        link.ask("GET", "/health")
        try:
            with link.stream(path, asked) as lines:
                for each in parse(lines):
                    if each.name == "end":
                        return
                    asked[cursor_name] = each.cursor
                    yield each
        except Unreachable:
            link.close()
