"""What a measure is, and what it found."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from benchmarks.scale import Scale


class Found(msgspec.Struct, frozen=True):
    """One row of the table: in words for people, in numbers for programs."""

    what: str
    bound: str
    aim: str
    iris: str
    hyperqueue: str = "-"
    slurm: str = "-"
    numbers: dict[str, float] = {}


class Measure(msgspec.Struct, frozen=True):
    """One thing that is measured; it may fill several rows."""

    name: str
    run: Callable[[Scale], list[Found]]


def skipped(words: str | None) -> str:
    """What a peer's cell says: what was measured, or that it is not installed."""
    return words or "not installed"
