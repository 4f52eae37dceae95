"""Brings what the tasks of a job left to a folder of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from iris.bundles import show_size, unpack
from iris.client import Client
from iris.domain.views import JobView, OutputsView
from iris.errors import BadBundle, FellShort, NotThere
from iris.operations.fetch_folder import move_all, opened
from iris.session import Session

Say = Callable[[str], None]

MOST_REASONS = 5  # why there is nothing, in one line


class Wanted(msgspec.Struct, frozen=True):
    """What is to come, and where to."""

    folder: Path
    task: int | None = None
    attempt: int | None = None
    force: bool = False  # what differs is replaced


class Fetched(msgspec.Struct, frozen=True):
    """What came of one task."""

    task: int
    attempt: int
    folder: str
    files: int
    content_bytes: int
    left_out: tuple[str, ...]


class Fetch(msgspec.Struct, frozen=True):
    """What came of a job, and of which tasks nothing did."""

    job: str
    folder: str
    fetched: tuple[Fetched, ...]
    missing: dict[int, str]  # why, by task


def fetch(session: Session, job: JobView, wanted: Wanted, say: Say) -> Fetch:
    """Bring the outputs of a job, or of one task; all that there are, or nothing.

    A task's go to a folder of its number, unless it is the only one that is asked
    for. Raises NotThere where there are none.
    """
    with session.controller() as client:
        views = client.outputs(job.uid, task=wanted.task, attempt=wanted.attempt)
        there = [view for view in views if not view.missing]
        if not there:
            raise _nothing(job, wanted, views)
        is_one = wanted.task is not None or job.spec.tasks == 1
        names = {view.task: "" if is_one else str(view.task) for view in there}
        with opened(wanted.folder) as stage:
            tree = stage / "tree"
            for view in there:
                packed = stage / "packed"
                _bring(client, job, view, packed, say)
                _lay_out(view, packed, tree / names[view.task])
            move_all(tree, wanted.folder, force=wanted.force)
    return Fetch(
        job=job.name,
        folder=str(wanted.folder),
        fetched=tuple(
            _fetched(view, wanted.folder / names[view.task]) for view in there
        ),
        missing={view.task: view.missing for view in views if view.missing},
    )


def words_of(found: Fetch) -> str:
    """What came, and why something did not."""
    size = show_size(sum(each.content_bytes for each in found.fetched))
    files = sum(each.files for each in found.fetched)
    count = "1 file" if files == 1 else f"{files} files"
    tasks = f" of {len(found.fetched)} tasks" if len(found.fetched) > 1 else ""
    lines = [f"{count}{tasks}, {size}, in {found.folder}"]
    for each in found.fetched:
        lines += [f"  task {each.task} left out {line}" for line in each.left_out]
    return "\n".join([*lines, *(f"  {line}" for line in _reasons(found.missing))])


def _bring(
    client: Client, job: JobView, view: OutputsView, packed: Path, say: Say
) -> None:
    whole = show_size(view.size_bytes)
    with packed.open("wb") as file:
        client.fetch_outputs(
            job.uid,
            view,
            file,
            lambda have: say(f"task {view.task}: {show_size(have)} of {whole}"),
        )


def _lay_out(view: OutputsView, packed: Path, place: Path) -> None:
    try:
        unpack(packed, place, view.content_bytes)
    except BadBundle as error:
        words = f"the outputs of task {view.task} cannot be laid out: {error}"
        raise FellShort(words) from error
    packed.unlink()


def _fetched(view: OutputsView, folder: Path) -> Fetched:
    return Fetched(
        task=view.task,
        attempt=view.attempt,
        folder=str(folder),
        files=view.files,
        content_bytes=view.content_bytes,
        left_out=view.left_out,
    )


def _nothing(job: JobView, wanted: Wanted, views: tuple[OutputsView, ...]) -> NotThere:
    reasons = "; ".join(_reasons({v.task: v.missing for v in views})[:MOST_REASONS])
    last = max((view.attempt for view in views), default=0)
    task = "" if wanted.task is None else f"/{wanted.task}"
    hint = f"`inv job.status {job.name}{task}` shows its attempts"
    if wanted.attempt is not None:
        hint += "; without --attempt it is the last one that is asked for"
    elif last > 0:
        hint += f", `--attempt {last - 1}` asks for one before"
    return NotThere(
        f"job {job.name} has no outputs to fetch: {reasons}", hint=f"{hint}."
    )


def _reasons(missing: dict[int, str]) -> list[str]:
    """A line for each reason, whatever the number of its tasks."""
    tasks_by_reason: dict[str, list[int]] = {}
    for task, because in missing.items():
        tasks_by_reason.setdefault(because, []).append(task)
    return [
        f"task {tasks[0]}{f' and {len(tasks) - 1} more' * (len(tasks) > 1)}: {because}"
        for because, tasks in tasks_by_reason.items()
    ]
