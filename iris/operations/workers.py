"""What an operator does about workers and their slices."""

from __future__ import annotations

from iris.config.kinds import Refused
from iris.config.measures import Duration
from iris.domain.views import SliceView, WorkerView
from iris.errors import NotThere, UsageError
from iris.session import LOOK, Session

DRAIN_DEADLINE = "10m"


def find(session: Session, worker: str) -> WorkerView:
    """A worker by its uid or by SLICE/INDEX. Raises NotThere."""
    with session.controller(LOOK) as client:
        for each in client.workers():
            if worker in (each.uid, f"{each.slice_name}/{each.index}"):
                return each
    raise NotThere(
        f"there is no worker {worker!r}", hint="See `inv probe.list-workers`."
    )


def drain(
    session: Session, worker: WorkerView, deadline: float | None = None
) -> WorkerView:
    """No new work for the worker's slice; it goes when what runs has ended.

    With `deadline` that has its signal at once, and so many seconds.
    """
    with session.controller(LOOK) as client:
        return client.drain_worker(worker.uid, deadline)


def deadline_of(words: str | None, *, signal: bool) -> float | None:
    """How long what runs has, None to let it end by itself. Raises UsageError."""
    if not signal and words is not None:
        raise UsageError(
            f"--deadline {words}: with --no-signal what runs is not asked to end",
            hint="Leave one of the two out.",
        )
    return read_deadline(words or DRAIN_DEADLINE) if signal else None


def words_of_drain(deadline: float | None) -> str:
    """What becomes of the slice, and of what runs on it."""
    if deadline is None:
        return "it goes once what runs has ended"
    return f"what runs has its signal and {deadline:g} s, then it goes"


def read_deadline(words: str) -> float:
    """`10m` as seconds. Raises UsageError."""
    try:
        return Duration().read(words)
    except Refused as error:
        expected = Duration().expected
        raise UsageError(f"--deadline: expected {expected}, got {words!r}") from error


def slice_of(session: Session, name: str) -> SliceView:
    """A slice by its name. Raises NotThere."""
    with session.controller(LOOK) as client:
        for each in client.slices():
            if each.name == name:
                return each
    raise NotThere(f"there is no slice {name!r}", hint="See `inv probe.list-slices`.")


def confirm_gone(session: Session, name: str) -> SliceView:
    """Release the tasks of a slice whose deletion is stuck."""
    with session.controller(LOOK) as client:
        return client.confirm_gone(name)
