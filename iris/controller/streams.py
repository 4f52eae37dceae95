"""Server-sent events: of the cluster, and of a job's output.

A stream waits in slices of a second, so that it notices soon that its client has
gone or that the controller stops. Everything it sends is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import msgspec

from iris import wire
from iris.controller.change import Changed
from iris.controller.history import EventFilter, gone_behind
from iris.controller.logs import LogFilter
from iris.controller.parts import Parts
from iris.domain.events import Event
from iris.domain.jobs import Job
from iris.domain.views import LogLine

KEEP_ALIVE = 10.0  # seconds between comments on a silent stream
LOOK_AROUND = 1.0  # seconds between looks at the client and at the controller
REST = 2.0  # of the time that a look took, until the next: each then shows more
MOST_REST = 0.1  # seconds
_BATCH = 1000
_ENDS = frozenset(
    {
        "job succeeded",
        "job failed",
        "job cancelled",
        "attempt succeeded",
        "attempt failed",
        "attempt cancelled",
        "attempt lost",
    }
)


class EndOfLog(msgspec.Struct, frozen=True):
    """The last event of a job's output."""

    job: str
    state: str


class _Pulse:
    """When a silent stream says that it lives, and whether it should end."""

    def __init__(self, parts: Parts, has_gone: Callable[[], bool]) -> None:
        self._parts = parts
        self._has_gone = has_gone
        self._spoke_at = parts.clock.now()

    @property
    def is_over(self) -> bool:
        return self._parts.closing.is_set() or self._has_gone()

    def spoke(self) -> None:
        self._spoke_at = self._parts.clock.now()

    def comment(self) -> Iterator[bytes]:
        """A comment where nothing was said for long."""
        if self._parts.clock.now() - self._spoke_at >= KEEP_ALIVE:
            self.spoke()
            yield b": still here\n\n"


def stream_events(
    parts: Parts, wanted: EventFilter, after: int, has_gone: Callable[[], bool]
) -> Iterator[bytes]:
    """Events with a number above `after`, then each new one as it happens."""
    pulse = _Pulse(parts, has_gone)
    yield b": events\n\n"
    gone = gone_behind(parts.history, wanted, after)
    if gone is not None:
        after = gone.seq
        yield _say(gone, event_id=after)
    while not pulse.is_over:
        rung = parts.bell.count
        shown = parts.state.seq
        parts.state.wait_durable(shown)
        began = parts.clock.now()
        events = _events(parts, wanted, after, shown)
        for event in events:
            after = event.seq
            yield _say(event, event_id=event.seq)
        if events:
            pulse.spoke()
        if len(events) < _BATCH:
            after = max(after, shown)  # none of those up to there is asked for
            rest = (parts.clock.now() - began) * REST
            parts.clock.wait(parts.closing, min(rest, MOST_REST))
            parts.bell.wait(rung, LOOK_AROUND)
            yield from pulse.comment()


def _events(
    parts: Parts, wanted: EventFilter, after: int, durable: int
) -> tuple[Event, ...]:
    """The next ones, from memory where that reaches back so far."""
    recent = parts.state.recent_events(after)
    if recent is None:
        return parts.history.events(wanted, after, _BATCH)
    found = (e for e in recent if e.seq <= durable and wanted.takes(e))
    return tuple(islice(found, _BATCH))


def stream_log(
    parts: Parts, job: Job, task: int | None, cursor: int, has_gone: Callable[[], bool]
) -> Iterator[bytes]:
    """A job's output from a cursor on, until it has ended and all was sent."""
    pulse = _Pulse(parts, has_gone)
    yield b": log\n\n"
    while not pulse.is_over:
        has_ended = parts.jobs.has_ended(job, task)  # asked before the log is read
        lines, cursor = parts.logs.read(job.uid, cursor, LogFilter(task))
        for line in lines:
            yield _say(line, event_id=line.cursor)
        if lines:
            pulse.spoke()
        elif has_ended:
            yield _say(_end_of(parts, job), event_id=cursor, name="end")
            return
        else:
            parts.logs.wait(job.uid, cursor, LOOK_AROUND)
            yield from pulse.comment()


def wake_readers(parts: Parts) -> Callable[[Changed], None]:
    """A listener for State: readers of a job's output look again when it ends."""

    def look_again(changed: Changed) -> None:
        for event in changed.events:
            if event.kind in _ENDS:
                parts.logs.wake(event.job_uid)

    return look_again


def _end_of(parts: Parts, job: Job) -> EndOfLog:
    view = parts.jobs.view(job)
    parts.state.wait_durable()
    return EndOfLog(job.name, view.state)


def _say(
    content: Event | LogLine | EndOfLog, *, event_id: int, name: str = ""
) -> bytes:
    kind = f"event: {name}\n" if name else ""
    return b"%sid: %d\ndata: %s\n\n" % (kind.encode(), event_id, wire.encode(content))
