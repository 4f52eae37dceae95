"""Events: the timeline of anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from iris.controller.api.jobs import known_job
from iris.controller.api.query import cursor_from, limited
from iris.controller.api.route import READERS, Call, Media, Routes, Service
from iris.controller.history import EventFilter
from iris.controller.streams import stream_events
from iris.domain.events import Event
from iris.domain.pages import Page

routes = Routes()


class EventsQuery(msgspec.Struct, frozen=True):
    """Which events; `newest` asks for the last `limit` of them."""

    after: int = 0
    job: str = ""
    slice: str = ""
    limit: int = 100
    newest: bool = False


class FollowEventsQuery(msgspec.Struct, frozen=True):
    """Which events, and from which sequence number on."""

    after: int = 0
    job: str = ""
    slice: str = ""


@routes.add(
    *("GET", "/v1/events"),
    roles=READERS,
    for_jobs=True,
    query=EventsQuery,
    answer=Page[Event],
)
def list_events(call: Call[None, EventsQuery]) -> Page[Event]:
    """Events behind a sequence number, in order; `next_page` is the next `after`.

    Where a job's token names no job, those of that job.
    """
    query, parts = call.query, call.parts
    wanted, limit = _wanted(call, query.job, query.slice), limited(query.limit)
    after = cursor_from(query.after)
    parts.state.wait_durable()
    if query.newest:
        return Page(parts.history.newest_events(wanted, limit))
    events = parts.history.events(wanted, after, limit + 1)
    more = str(events[limit - 1].seq) if len(events) > limit else ""
    return Page(events[:limit], more)


@routes.add(
    *("GET", "/v1/events:stream"),
    roles=READERS,
    for_jobs=True,
    query=FollowEventsQuery,
    answer=Event,
    media=Media.EVENTS,
    service=Service.STREAM,
)
def follow_events(call: Call[None, FollowEventsQuery]) -> Iterator[bytes]:
    """Events behind a sequence number, then each new one as it happens."""
    query, parts = call.query, call.parts
    wanted = _wanted(call, query.job, query.slice)
    return stream_events(parts, wanted, cursor_from(query.after), call.has_gone)


def _wanted(call: Call[Any, Any], job: str, slice_name: str) -> EventFilter:
    named = job or call.caller.job_uid
    uid = known_job(call.parts, call.caller, named).uid if named else ""
    return EventFilter(uid, slice_name)
