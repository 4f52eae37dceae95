"""The outputs of attempts on the state disk: packed, one file for each attempt.

They come in pieces, into a draft that outlives the controller, and are in place once
they are whole; beside each lies what is known of it. What was not collected has only
that, with the reason.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from iris import wire
from iris.controller.change import Changed
from iris.domain.jobs import Attempt
from iris.domain.machine import OUTPUT_BYTES
from iris.domain.protocol import OutputsHad, OutputsOffer
from iris.errors import NotThere, StoreFailed, UsageError
from iris.files import make_private, write_private

DRAFT = ".draft"
_PACKED, _KNOWN, _GONE = ".tar.gz", ".json", ".gone"
_HEADERS = 64 << 20  # bytes that a packed file may have beyond what it holds
_BLOCK = 1 << 20


class _Draft(msgspec.Struct):
    """What has come of one attempt's outputs so far."""

    path: Path
    sha256: str  # of the whole
    size: int  # of the whole
    have: int
    digest: hashlib._Hash  # of what is here


class OutputStore:
    """Takes, keeps and hands out outputs. Thread-safe.

    `is_live` says whether an attempt may go on sending; other drafts go at once.
    """

    def __init__(
        self,
        folder: Path,
        is_live: Callable[[str], bool] = lambda _: True,
        most_bytes: int = OUTPUT_BYTES,
    ) -> None:
        self._folder = folder
        self._is_live = is_live
        self._most_bytes = most_bytes + most_bytes // 100 + _HEADERS
        self._stripes = tuple(threading.Lock() for _ in range(64))
        self._drafts: dict[str, _Draft] = {}  # by uid of the attempt
        make_private(folder)
        for path in folder.glob(f"*/*{DRAFT}"):
            if not is_live(path.name.removesuffix(DRAFT)):
                path.unlink(missing_ok=True)

    # -- from workers ----------------------------------------------------------------

    def offer(self, attempt: Attempt, offer: OutputsOffer) -> OutputsHad:
        """How much is here of what a worker has, or had; keeps it once it is whole.

        Raises UsageError, StoreFailed.
        """
        with self._alone(attempt):
            known = self.find(attempt.job_uid, attempt.task_index, attempt.number)
            if known is not None and known == offer:
                return OutputsHad(offer.size_bytes, kept=True)
            try:
                had = self._take_offer(attempt, offer)
            except OSError as error:
                raise _failed(error) from error
            if not self._is_live(attempt.uid):  # it ended at this moment
                self._drop(attempt.uid)
            return had

    def append(self, attempt: Attempt, offset: int, content: bytes) -> OutputsHad:
        """Keep a piece that begins where the draft ends; says how much is here.

        Raises NotThere where nothing was offered, and StoreFailed.
        """
        with self._alone(attempt):
            draft = self._drafts.get(attempt.uid)
            if draft is None:
                raise NotThere(f"no outputs of attempt {attempt.uid} were offered")
            if offset == draft.have and draft.have + len(content) <= draft.size:
                try:
                    _write(draft, content)
                except OSError as error:
                    raise _failed(error) from error
            return OutputsHad(draft.have)

    def note_missing(self, attempt: Attempt, because: str) -> None:
        """Keep why an attempt's outputs were not collected. Raises StoreFailed."""
        with self._alone(attempt):
            if self.find(attempt.job_uid, attempt.task_index, attempt.number):
                return
            try:
                (self._folder / attempt.job_uid).mkdir(mode=0o700, exist_ok=True)
                self._put_known(attempt, OutputsOffer(missing=because[:1000]))
            except OSError as error:
                raise _failed(error) from error

    def drop_ended(self, changed: Changed) -> None:
        """What has ended sends no more: a draft of it goes; a listener of State."""
        if self._drafts:
            for event in changed.events:
                if event.attempt_uid and not self._is_live(event.attempt_uid):
                    self._drop(event.attempt_uid)

    # -- for people ------------------------------------------------------------------

    def find(self, job_uid: str, task: int, number: int) -> OutputsOffer | None:
        """What is known of an attempt's outputs; None where it left none."""
        try:
            content = self._path(job_uid, task, number, _KNOWN).read_bytes()
        except OSError:
            return None
        return wire.decode(content, OutputsOffer)

    def path(self, job_uid: str, task: int, number: int) -> Path:
        """The packed file of an attempt. Raises NotThere."""
        path = self._path(job_uid, task, number, _PACKED)
        if not path.exists():
            raise NotThere(f"attempt {number} of task {task} has no outputs here")
        return path

    def sizes(self) -> dict[str, int]:
        """Bytes on disk by uid of the job."""
        sizes = {}
        for folder in os.scandir(self._folder):
            if folder.is_dir(follow_symlinks=False):
                sizes[folder.name] = sum(_size(each) for each in os.scandir(folder))
        return sizes

    def delete(self, job_uid: str, because: str = "") -> None:
        """Forget a job's outputs; the reason, if one is given, stands in their place.

        For jobs that have ended.
        """
        gone = self._folder / f"{job_uid}{_GONE}"
        if because:
            write_private(gone, because.encode())
        else:
            gone.unlink(missing_ok=True)
        shutil.rmtree(self._folder / job_uid, ignore_errors=True)

    def gone(self, job_uid: str) -> str:
        """Why a job's outputs are here no more; empty where nothing was deleted."""
        try:
            return (self._folder / f"{job_uid}{_GONE}").read_text()
        except OSError:
            return ""

    # -- drafts ----------------------------------------------------------------------

    def _drop(self, attempt_uid: str) -> None:
        draft = self._drafts.pop(attempt_uid, None)
        if draft is not None:
            draft.path.unlink(missing_ok=True)

    def _take_offer(self, attempt: Attempt, offer: OutputsOffer) -> OutputsHad:
        (self._folder / attempt.job_uid).mkdir(mode=0o700, exist_ok=True)
        if not 0 < offer.size_bytes <= self._most_bytes:
            raise UsageError(
                f"outputs of {offer.size_bytes} bytes; at most {self._most_bytes} here"
            )
        draft = self._drafts.get(attempt.uid)
        if draft is None or draft.sha256 != offer.sha256:
            draft = self._drafts[attempt.uid] = self._open(attempt, offer)
        if draft.have < draft.size:
            return OutputsHad(draft.have)
        return self._place(attempt, offer, draft)

    def _open(self, attempt: Attempt, offer: OutputsOffer) -> _Draft:
        """A draft as a controller before this one left it, or an empty one."""
        path = self._folder / attempt.job_uid / f"{attempt.uid}{DRAFT}"
        if attempt.uid in self._drafts:
            path.unlink(missing_ok=True)  # they were packed anew
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        have = path.stat().st_size
        return _Draft(path, offer.sha256, offer.size_bytes, have, digest)

    def _place(
        self, attempt: Attempt, offer: OutputsOffer, draft: _Draft
    ) -> OutputsHad:
        """Put what is whole in place; what is not what it should be begins anew."""
        del self._drafts[attempt.uid]
        is_sound = draft.have == draft.size and draft.digest.hexdigest() == draft.sha256
        if not is_sound:
            draft.path.unlink()
            return OutputsHad(0)
        with draft.path.open("rb") as file:
            os.fsync(file.fileno())
        place = attempt.job_uid, attempt.task_index, attempt.number
        draft.path.rename(self._path(*place, _PACKED))
        self._put_known(attempt, offer)
        return OutputsHad(offer.size_bytes, kept=True)

    def _put_known(self, attempt: Attempt, offer: OutputsOffer) -> None:
        place = attempt.job_uid, attempt.task_index, attempt.number
        write_private(self._path(*place, _KNOWN), wire.encode(offer))
        handle = os.open(self._folder / attempt.job_uid, os.O_RDONLY)
        try:
            os.fsync(handle)  # both names are durable too
        finally:
            os.close(handle)

    def _alone(self, attempt: Attempt) -> threading.Lock:
        return self._stripes[hash(attempt.uid) % len(self._stripes)]

    def _path(self, job_uid: str, task: int, number: int, kind: str) -> Path:
        return self._folder / job_uid / f"{task}-{number}{kind}"


def _write(draft: _Draft, content: bytes) -> None:
    """At the end of the draft, wholly or not at all. Raises OSError."""
    with draft.path.open("r+b", buffering=0) as file:
        file.seek(draft.have)
        left = memoryview(content)
        try:
            while left:
                left = left[file.write(left) :]
        except OSError:
            file.truncate(draft.have)
            raise
    draft.digest.update(content)
    draft.have += len(content)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:  # gone meanwhile
        return 0


def _failed(error: OSError) -> StoreFailed:
    return StoreFailed(f"cannot keep outputs: {error.strerror}")
