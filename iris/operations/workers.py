"""What an operator does about workers and their slices."""

from __future__ import annotations

from iris.domain.views import SliceView, WorkerView
from iris.errors import NotThere
from iris.session import LOOK, Session


def find(session: Session, worker: str) -> WorkerView:
    """A worker by its uid or by SLICE/INDEX. Raises NotThere."""
    with session.controller(LOOK) as client:
        for each in client.workers():
            if worker in (each.uid, f"{each.slice_name}/{each.index}"):
                return each
    raise NotThere(
        f"there is no worker {worker!r}", hint="See `inv probe.list-workers`."
    )


def drain(session: Session, worker: WorkerView) -> WorkerView:
    """No new work for the worker's slice; it goes when what runs has ended."""
    with session.controller(LOOK) as client:
        return client.drain_worker(worker.uid)


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
