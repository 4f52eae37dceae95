"""Output on its way to a person: whole lines, and Ctrl-C that ends nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from iris.commands._edge import tell

if TYPE_CHECKING:
    from iris.domain.jobs import JobSpec
    from iris.domain.views import JobView, LogLine


@contextmanager
def watching(
    job: JobView, task: int | None = None, *, as_json: bool
) -> Iterator[Callable[[LogLine], None]]:
    """Where output goes: to stdout, whole lines of many tasks, or JSON by the line."""
    from iris import wire
    from iris.commands._marks import MarkedOutput
    from iris.operations.output import Joiner

    joiner = Joiner(job.spec.tasks if task is None else 1)
    output = MarkedOutput()

    def write(piece: LogLine) -> None:
        if as_json:
            write_bytes(wire.encode(piece) + b"\n")
        else:
            write_bytes(output.add(joiner.add(piece)))

    with going_on(job):
        try:
            yield write
        finally:
            write_bytes(output.add(joiner.rest()))


@contextmanager
def going_on(job: JobView) -> Iterator[None]:
    """Ctrl-C ends only our watching."""
    try:
        yield
    except KeyboardInterrupt:
        tell(f"\njob {job.name} goes on. Follow it again: `inv job.logs {job.name} -f`")
        tell(f"End it: `inv job.cancel {job.name}`")
        raise


@contextmanager
def fetching() -> Iterator[Callable[[str], None]]:
    """Hears how far it has come; only a terminal sees it."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from iris.commands._building import progress

    with progress() as say:
        yield say


def write_bytes(content: bytes) -> None:
    if content:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def end(ended: JobView, said: Sequence[str], *, as_json: bool) -> None:
    from iris import wire
    from iris.operations import jobs

    if as_json:
        write_bytes(wire.encode(ended) + b"\n")
    jobs.require_success(ended, said)
    tell(f"job {ended.name} succeeded")


def tasks_of(spec: JobSpec) -> str:
    count = "1 task" if spec.tasks == 1 else f"{spec.tasks} tasks"
    on = f" on {spec.constraints.accelerator}" if spec.constraints.accelerator else ""
    if not spec.hold:
        return count + on
    from iris.operations.holding import words_of_hold

    return f"{count}{on}, {words_of_hold(spec.hold)}"


def what_follows(job: JobView) -> str:
    """What a person types next."""
    if job.spec.hold:
        return f"`inv job.exec {job.name} -it` gets in"
    return f"`inv job.logs {job.name} -f` follows"
