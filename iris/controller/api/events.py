"""Events: the timeline of anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from iris.controller.api.jobs import known_job
from iris.controller.api.query import cursor_from, limited
from iris.controller.api.route import READERS, Call, Media, Routes, Service
from iris.controller.history import EventFilter, gone_behind
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
        newest = parts.history.newest_events(wanted, limit)
        gone = gone_behind(parts.history, wanted, 0) if len(newest) < limit else None
        return Page((gone, *newest) if gone else newest)
    gone = gone_behind(parts.history, wanted, after)
    events = parts.history.events(wanted, after, limit + 1)
    events = (gone, *events) if gone else events
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
    if not named:
        return EventFilter(slice_name=slice_name)
    found = known_job(call.parts, call.caller, named)
    return EventFilter(found.uid, slice_name, since=found.order)
