"""How a build or a push goes: one line in place on a terminal, else plain lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iris.commands._edge import tell
from iris.commands._marks import marked
from iris.operations.images import Built
from iris.operations.pushing import Pushed


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Hears each step. A terminal sees the newest and how long all took so far."""
    if not sys.stderr.isatty():
        yield tell
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    columns = (
        SpinnerColumn(),
        Elapsed(),
        TextColumn("{task.description}", markup=False),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(marked("looking what is there"), total=None)
        yield lambda line: shown.update(task, description=marked(line))


def built_text(built: Built) -> str:
    """Both images, with their size."""
    pin = built.base_digest or f"made here, id {built.base_id}"
    lines = [f"on {built.base} ({pin})"]
    for each in built.images:
        size = f"{each.size_bytes / 1e6:.0f} MB with its base"
        lines.append(f"{each.image}: {size}, {_whether(each.was_there, 'built')}")
    return "\n".join(lines)


def pushed_text(pushed: Pushed) -> str:
    """Both images by digest, and where that is written down."""
    lines = [
        f"{each.image}: {_whether(each.was_there, 'pushed')}" for each in pushed.images
    ]
    return "\n".join([*lines, f"lock: {pushed.lock_file}"])


def _whether(was_there: bool, done: str) -> str:
    return "there already" if was_there else f"{done} now"
