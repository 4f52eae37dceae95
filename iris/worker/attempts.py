"""One attempt as its keeper holds it, and the rules by which it ends."""

from __future__ import annotations

import signal

import msgspec

from iris.domain.jobs import EndCause
from iris.worker.messages import Known, Start

NO_SUCH_COMMAND = 127  # as a shell reports it


class Running(msgspec.Struct):
    """What the keeper knows of a live attempt; changes as it goes on."""

    start: Start
    pid: int
    started_at: float
    kill_at: float = 0.0  # when SIGKILL follows the signal; 0 while none was sent
    stopped_as: EndCause | None = None  # why we ended it, if we did
    detail: str = ""
    status: int | None = None  # of its first process, once that has ended

    def due_at(self) -> float:
        """When something must be done about it, 0 if never."""
        if self.kill_at:
            return self.kill_at
        timeout = self.start.run_timeout
        return self.started_at + timeout if timeout else 0.0


def ended(known: Known, running: Running, now: float) -> Known:
    """How it ended, from its status and what we did to it."""
    status = running.status if running.status is not None else -signal.SIGKILL
    cause = running.stopped_as
    if cause is None:
        cause = EndCause.EXITED if status >= 0 else EndCause.SIGNALLED
    detail = running.detail
    if cause is EndCause.SIGNALLED:
        detail = f"ended by {signal.Signals(-status).name}"
    return msgspec.structs.replace(
        known,
        ended_at=now,
        exit_code=status if status >= 0 else 128 - status,
        cause=cause,
        detail=detail,
    )


def not_started(known: Known, error: OSError, now: float) -> Known:
    """How an attempt ended whose command could not be run."""
    is_missing = isinstance(error, FileNotFoundError | PermissionError)
    return msgspec.structs.replace(
        known,
        started_at=now,
        ended_at=now,
        exit_code=NO_SUCH_COMMAND,
        cause=EndCause.NO_SUCH_COMMAND if is_missing else EndCause.PREPARE_FAILED,
        detail=f"{error.filename}: {error.strerror}",
    )
