"""A rehearsal as bars over time: every phase of every slice, VM and task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from iris.client.admin import Resource
from iris.domain.events import Event
from iris.domain.fleet import BootPhase


class Span(msgspec.Struct, frozen=True):
    """One phase; seconds from the beginning of the rehearsal."""

    what: str
    began: float
    ended: float
    words: str = ""


class Track(msgspec.Struct, frozen=True):
    """One line of the timeline."""

    kind: str
    name: str
    zone: str
    spans: tuple[Span, ...]


class Ran(Protocol):
    """A run of a task."""

    @property
    def job(self) -> str: ...
    @property
    def task(self) -> int: ...
    @property
    def began(self) -> float: ...
    @property
    def last(self) -> float: ...
    @property
    def ended(self) -> bool: ...


class Known(Protocol):
    """What a timeline is made of."""

    @property
    def began(self) -> float: ...
    @property
    def ended(self) -> float: ...
    @property
    def resources(self) -> Sequence[Resource]: ...
    @property
    def events(self) -> Sequence[Event]: ...
    @property
    def phases(self) -> Sequence[BootPhase]: ...
    @property
    def runs(self) -> Sequence[Ran]: ...


def tracks_of(known: Known) -> tuple[Track, ...]:
    """Every resource of the ledger, below each slice its VMs; then every task."""
    tracks: list[Track] = []
    in_order = sorted(known.resources, key=lambda each: each.created_at)
    for each in in_order:
        tracks.append(_of_resource(each, known))
        tracks += _of_vms(each, known) if _is_slice(each) else ()
    return (*tracks, *_of_tasks(known))


def _is_slice(resource: Resource) -> bool:
    return bool(resource.labels.get("iris-slice")) and (
        resource.kind != "queued-resource"
    )


def _of_resource(resource: Resource, known: Known) -> Track:
    end = resource.deleted_at or known.ended
    whole = Span("there", _since(resource.created_at, known), _since(end, known))
    spans = tuple(_states(resource.name, known)) if _is_slice(resource) else ()
    return Track(resource.kind, resource.name, resource.zone, spans or (whole,))


def _states(slice_name: str, known: Known) -> Iterator[Span]:
    """What the controller held of it, from one state to the next."""
    moves = [
        event
        for event in known.events
        if event.slice_name == slice_name
        and event.kind.startswith("slice ")
        and event.kind.count(" ") == 1
    ]
    ends = [event.at for event in (*moves[1:], *moves[:1])]
    ends[-1:] = [known.ended] if moves else []
    for event, end in zip(moves, ends, strict=True):
        state = event.kind.removeprefix("slice ")
        if state != "deleted":
            yield Span(
                state, _since(event.at, known), _since(end, known), event.because
            )


def _of_vms(resource: Resource, known: Known) -> Iterator[Track]:
    ours = [each for each in known.phases if each.slice_name == resource.name]
    end = resource.deleted_at or known.ended
    for index in sorted({each.index for each in ours}):
        phases = sorted((p for p in ours if p.index == index), key=lambda p: p.at)
        ends = [each.at for each in phases[1:]] + [max(end, phases[-1].at)]
        spans = tuple(
            Span(p.phase, _since(p.at, known), _since(until, known), p.detail)
            for p, until in zip(phases, ends, strict=True)
        )
        name = f"{resource.name}/{index}" if index >= 0 else f"{resource.name}/?"
        yield Track("VM", name, resource.zone, spans)


def _of_tasks(known: Known) -> Iterator[Track]:
    for job, task in sorted({(run.job, run.task) for run in known.runs}):
        runs = [run for run in known.runs if (run.job, run.task) == (job, task)]
        spans = tuple(
            Span(
                "ran" if run.ended else "lost",
                _since(run.began, known),
                _since(run.last, known),
            )
            for run in sorted(runs, key=lambda run: run.began)
        )
        yield Track("task", f"{job}/{task}", "", spans)


def _since(at: float, known: Known) -> float:
    return round(max(at - known.began, 0.0), 3)
