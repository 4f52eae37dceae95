"""How an attempt ended, told from what the system said and what we did to it."""

from __future__ import annotations

import errno
import signal
import time

import msgspec

from iris.domain.jobs import DEPARTURES, EndCause
from iris.worker.messages import Known, Start, Stop

SAME_MOMENT = 1.0  # seconds by which a deadline must move to be told again
NO_SUCH_COMMAND = 127  # as a shell reports it
CANNOT_EXECUTE = 126
# What exec refuses because of the command; all else is the machine's fault.
_OF_THE_COMMAND = {
    errno.ENOENT,
    errno.EACCES,
    errno.ENOEXEC,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.E2BIG,
}


# Ends that are the user's own doing.
FAILURES = frozenset(
    {
        EndCause.EXITED,
        EndCause.SIGNALLED,
        EndCause.NO_SUCH_COMMAND,
        EndCause.NO_SUCH_IMAGE,
        EndCause.NO_SUCH_SECRET,
        EndCause.SETUP_FAILED,
        EndCause.OUTPUTS_REFUSED,
        EndCause.OUT_OF_MEMORY,
        EndCause.TIMED_OUT,
    }
)


class Running(msgspec.Struct):
    """What the keeper knows of a live attempt; changes as it goes on."""

    start: Start
    pid: int
    started_at: float
    kill_at: float = 0.0  # when SIGKILL follows the signal; 0 while none was sent
    stopped_as: EndCause | None = None  # why we ended it, if we did
    detail: str = ""
    status: int | None = None  # of its first process, once that has ended
    asked: set[int] = msgspec.field(default_factory=set)  # had a signal of their own

    def ask(self, stop: Stop, now: float) -> bool:
        """Want its end; does that come any nearer?

        The first reason stands, save that a person's goes before a machine's.
        """
        is_first = self.stopped_as is None
        grace = self.start.stop_grace if stop.grace < 0 else stop.grace
        is_nearer = is_first or now + grace < self.kill_at - SAME_MOMENT
        is_wish = stop.cause not in DEPARTURES
        may_rename = is_first or self.stopped_as in DEPARTURES
        if may_rename and (is_nearer or is_wish):
            self.stopped_as, self.detail = stop.cause, stop.because
        if is_nearer:
            self.kill_at = now + grace
        return is_nearer

    def due_at(self) -> float:
        """When something must be done about it, 0 if never."""
        if self.kill_at or self.status is not None:
            return self.kill_at
        timeout = self.start.run_timeout
        return self.started_at + timeout if timeout else 0.0


def ended(known: Known, running: Running, now: float) -> Known:
    """How it ended, from its status and what we did to it."""
    status = running.status if running.status is not None else -signal.SIGKILL
    cause, detail = running.stopped_as, running.detail
    if cause in DEPARTURES and status == 0:  # it was done before its machine went
        cause, detail = None, ""
    if cause is None:
        cause = EndCause.EXITED if status >= 0 else EndCause.SIGNALLED
    if cause is EndCause.SIGNALLED:
        detail = f"ended by {_name_of(-status)}"
    return msgspec.structs.replace(
        known,
        ended_at=now,
        exit_code=status if status >= 0 else 128 - status,
        cause=cause,
        detail=detail,
    )


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have no name
        return f"signal {number}"


def not_started(known: Known, start: Start, error: Exception, now: float) -> Known:
    """How an attempt ended whose command could not be run."""
    is_users = isinstance(error, ValueError) or (
        isinstance(error, OSError)
        and error.errno in _OF_THE_COMMAND
        and error.filename == start.argv[0]  # not a file of ours
    )
    is_missing = isinstance(error, FileNotFoundError)
    exit_code = NO_SUCH_COMMAND if is_missing else CANNOT_EXECUTE
    return msgspec.structs.replace(
        known,
        ended_at=now,
        exit_code=exit_code if is_users else None,
        cause=EndCause.NO_SUCH_COMMAND if is_users else EndCause.PREPARE_FAILED,
        detail=because_of(error, start),
    )


def because_of(error: Exception, start: Start) -> str:
    """Why the command could not be run, for a person."""
    command = start.argv[0] if start.argv else ""
    words = (error.strerror if isinstance(error, OSError) else "") or str(error)
    return f"cannot run {command!r}: {words}"


def has_failed(known: Known) -> bool:
    """Did it end by the user's own fault?"""
    return known.cause in FAILURES and (
        known.cause is not EndCause.EXITED or known.exit_code != 0
    )


def words_of_place(known: Known) -> str:
    """How it failed, and until when its place is kept, for a person."""
    how = known.detail or f"exit status {known.exit_code}"
    until = time.strftime("%d %b %H:%M UTC", time.gmtime(known.kept_until))
    return f"failed ({how}), its place is kept until {until}"
