"""Rows as a table: drawn on a terminal, plain and aligned elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from iris.config.measures import write_duration
from iris.domain.jobs import JobSpec

SHORT = 20  # letters of a column that does not wrap
BETWEEN = 3  # letters between columns


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lines without trailing space; `-` where there is nothing."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return "none"
    if sys.stdout.isatty():
        return _drawn(heads, cells)
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = [heads, *cells]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _cell(value: object) -> str:
    return " ".join(str(value).split()) if value not in ("", None) else "-"


def _drawn(heads: Sequence[str], cells: list[list[str]]) -> str:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    least = 0
    for place, head in enumerate(heads):
        longest = max(len(head), *(len(row[place]) for row in cells))
        # names and states stay whole: they are typed again, or looked for
        is_whole = place == 0 or longest <= SHORT
        drawn.add_column(head, no_wrap=is_whole, overflow="fold")
        least += BETWEEN + (longest if is_whole else SHORT)
    for row in cells:
        drawn.add_row(*map(escape, row))
    console = Console()
    console.width = max(console.width, least)  # a narrow terminal breaks the lines
    with console.capture() as captured:
        console.print(drawn)
    return captured.get().strip("\n")


def assigned(variables: Mapping[str, str]) -> str:
    """The variables that are a task's own."""
    words = " ".join(map("=".join, variables.items()))
    return f"with {words}" if words else ""


def what_it_runs(spec: JobSpec) -> str:
    """The command, where it has one of its own."""
    if spec.hold:
        return f"holds its slice for {write_duration(spec.hold)}"
    return f"command: {' '.join(spec.command)}"


def ago(at: float, now: float) -> str:
    """How long ago, in the largest unit that fits."""
    if not at:
        return "-"
    rest = max(now - at, 0.0)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if rest >= 2 * length:
            return f"{rest / length:.0f}{unit}"
    return f"{rest:.0f}s"
