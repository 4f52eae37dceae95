"""Server-sent events, followed over cuts: no event is lost, none comes twice."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

import msgspec

from iris.client.link import Link, Query, Request

SILENCE = 30.0  # seconds; a live stream says something every 10
SHORTEST_READ = 0.05  # seconds
PAUSE = 0.2  # seconds before a stream that said nothing is opened again
_NEVER = threading.Event()


class Sent(msgspec.Struct, frozen=True):
    """One event: its name (empty but for special ones), its cursor, its JSON."""

    name: str
    cursor: str
    content: bytes


class Stream(msgspec.Struct, frozen=True):
    """What is followed: a path, its query, and what that calls the cursor."""

    path: str
    cursor_name: str
    query: Query = {}


def follow(link: Link, stream: Stream, until: float | None = None) -> Iterator[Sent]:
    """Events until one is called `end`; a cut stream goes on from its cursor.

    Stops at `until` too, where it is given.
    """
    query = dict(stream.query)
    while until is None or link.clock.now() < until:
        said_anything = False
        request = Request("GET", stream.path, query, silence=_silence(link, until))
        with link.stream(request) as pieces:
            for sent in parse(pieces):
                if sent.name == "end":
                    return
                said_anything = True
                query[stream.cursor_name] = sent.cursor
                yield sent
                if until is not None and link.clock.now() >= until:
                    return
        if not said_anything:
            link.clock.wait(_NEVER, PAUSE)


def parse(pieces: Iterable[bytes]) -> Iterator[Sent]:
    """Events out of bytes, however cut; one that does not end is left out.

    The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    rest: list[bytes] = []
    for piece in pieces:
        # one event may have 100 kB in many pieces: they are joined once it ends
        rest.append(piece)
        if b"\n\n" in b"".join(rest[-2:])[-len(piece) - 1 :]:
            *whole, last = b"".join(rest).split(b"\n\n")
            rest = [last]
            yield from filter(None, map(_event, whole))


def _event(text: bytes) -> Sent | None:
    fields: dict[bytes, bytes] = {}
    for line in text.split(b"\n"):
        name, _, value = line.partition(b":")
        fields[name] = value.removeprefix(b" ")
    if b"data" not in fields:
        return None  # a comment: somebody is there
    event = fields.get(b"event", b"").decode()
    return Sent(event, fields.get(b"id", b"").decode(), fields[b"data"])


def _silence(link: Link, until: float | None) -> float:
    if until is None:
        return SILENCE
    return min(SILENCE, max(until - link.clock.now(), SHORTEST_READ))
