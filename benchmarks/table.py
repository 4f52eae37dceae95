"""The measures by name, and their findings as the table of README.md and as JSON."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import (
    acceptance,
    latency,
    recovery,
    shipping,
    startup,
    throughput,
    workers,
)
from benchmarks.measures import Found, Measure
from benchmarks.measuring import machine

README = Path(__file__).with_name("README.md")
_BEGIN = "<!-- made by `python -m benchmarks --write` -->\n"
_END = "<!-- end -->\n"
_SPAWNS = 500

MEASURES = (
    Measure("throughput", throughput.measure),
    Measure("latency", latency.measure),
    Measure("acceptance", acceptance.measure),
    Measure("workers", workers.measure_real),
    Measure("hollow-workers", workers.measure_hollow),
    Measure("logs", shipping.measure),
    Measure("recovery", recovery.measure),
    Measure("startup", startup.measure),
    Measure("first-result", latency.measure_first_result),
)


def render(found: Iterable[Found], setting: str) -> str:
    """The table in Markdown, and where it was measured."""
    rows = ["| measure | Iris | HyperQueue | Slurm | bound | aim |"]
    rows.append("| --- | --- | --- | --- | --- | --- |")
    for each in found:
        cells = (each.iris, each.hyperqueue, each.slurm, each.bound, each.aim)
        rows.append(f"| {each.what} | {' | '.join(cells)} |")
    return "\n".join(rows) + f"\n\n{setting}\n"


def describe_setting() -> str:
    """The machine, and how fast it starts processes while nothing else runs."""
    rate = spawns_per_second()
    return (
        f"Measured on {machine()}, which alone starts {rate:,.0f} processes a second."
    )


def spawns_per_second() -> float:
    """How many `/bin/true` this machine runs one after the other in a second."""
    began = time.perf_counter()
    for _ in range(_SPAWNS):
        os.waitpid(os.posix_spawn("/bin/true", ["/bin/true"], {}), 0)
    return _SPAWNS / (time.perf_counter() - began)


def put_into(page: Path, table: str) -> None:
    """Replace what stands between the marks of a page. Raises ValueError."""
    text = page.read_text()
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{page}: there is no line {_BEGIN.strip()!r}, or no end")
    page.write_text(before + begin + table + end + after)


def as_data(found: Iterable[Found], setting: str) -> dict[str, Any]:
    """All numbers of a run, and where it was."""
    numbers: dict[str, float] = {}
    for each in found:
        numbers |= each.numbers
    return {"setting": setting, "numbers": numbers, "rows": list(found)}
