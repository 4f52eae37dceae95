"""The bodies and pages of the API that are not nouns of their own."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from iris.domain.views import JobView, LogLine, Submission

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list; `next_page` asks for the next one, empty at the end."""

    items: tuple[T, ...]
    next_page: str = ""


class SubmissionBatch(msgspec.Struct, frozen=True):
    """Jobs to accept together: all of them or none."""

    submissions: tuple[Submission, ...]


class JobBatch(msgspec.Struct, frozen=True):
    """The jobs of a batch, in the order of its submissions."""

    jobs: tuple[JobView, ...]


class Admission(msgspec.Struct, frozen=True):
    """What a submission would be answered with; nobody has made it."""

    name: str  # of the job that would be made, or that is there
    was_there: bool = False  # it would make no new job


class CancelRequest(msgspec.Struct, frozen=True):
    """Why a job should end; the body may be left out."""

    because: str = ""


class DrainRequest(msgspec.Struct, frozen=True):
    """How long what runs has from its signal on; the body may be left out."""

    deadline: float | None = None  # seconds


class SecretValue(msgspec.Struct, frozen=True):
    """The value of a secret; it goes in, and comes out for attempts only."""

    value: str


class SecretView(msgspec.Struct, frozen=True):
    """A secret of the cluster, without its value."""

    name: str
    put_at: float


class AttemptSecrets(msgspec.Struct, frozen=True):
    """Values by name, for the worker of an attempt alone."""

    values: dict[str, str]


class LogPage(msgspec.Struct, frozen=True):
    """Output from a cursor on; `complete` once nothing will follow."""

    items: tuple[LogLine, ...]
    cursor: int
    complete: bool
    start: int = 0  # the cursor that it was read from


class TextPage(msgspec.Struct, frozen=True):
    """Lines of text, the oldest first; `cursor` is where the next ones begin."""

    lines: tuple[str, ...]
    cursor: int


class BundleKept(msgspec.Struct, frozen=True):
    """A bundle that the controller has."""

    sha256: str
    size_bytes: int
