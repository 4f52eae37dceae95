"""The port between State and what makes it durable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from iris.domain.access import Grant
from iris.domain.events import Event
from iris.domain.fleet import Backoff, BootPhase, Slice, Worker
from iris.domain.jobs import Answered, Attempt, Job, Task

Key = tuple[str | int, ...]
# One row: its table, its key, and what stands there now (None: nothing).
Row = tuple[str, Key, msgspec.Struct | str | None]


class Restored(msgspec.Struct, frozen=True):
    """All that lives, as it was when the last commit was made."""

    seq: int = 0
    jobs: tuple[Job, ...] = ()  # not ended
    tasks: tuple[Task, ...] = ()  # the rows of those jobs
    attempts: tuple[Attempt, ...] = ()  # live, or of a gang of those jobs
    slices: tuple[Slice, ...] = ()  # not deleted
    workers: tuple[Worker, ...] = ()  # of those slices
    grants: tuple[Grant, ...] = ()
    backoffs: tuple[Backoff, ...] = ()
    phases: tuple[BootPhase, ...] = ()  # of those slices
    meta: dict[str, str] = {}
    names: dict[str, str] = {}  # name -> uid, of every job that is kept
    client_ids: dict[str, str] = {}  # client id -> uid, of every job that is kept
    answered: tuple[Answered, ...] = ()  # of such jobs


class Journal(Protocol):
    """Keeps what State hands over, in order, and says how far it is durable."""

    def load(self) -> Restored:
        """All that lives; called once, before the first `append`."""

    def append(self, seq: int, rows: Sequence[Row], events: Sequence[Event]) -> None:
        """Take one transition; called in order under State's lock, never blocks."""

    @property
    def durable_seq(self) -> int:
        """The newest sequence number that survives a crash."""

    def wait_durable(self, seq: int, timeout: float | None = None) -> None:
        """Return once `seq` is durable. Raises StoreFailed or Late."""
