"""The near end of this VM: what was said of it, and what that makes of bad ends."""

from __future__ import annotations

import signal
from collections.abc import Callable

import msgspec

from iris.clock import Clock
from iris.domain.jobs import EndCause
from iris.worker.endings import SAME_MOMENT
from iris.worker.messages import Known

_BY_SIGNAL = 128  # exit statuses above it, as a shell passes a signal on


class Going:
    """Set once and never unset: a VM that is about to go does not come back."""

    def __init__(self, clock: Clock, ask_cloud: Callable[[], str]) -> None:
        self.notice = ""  # why the machine goes; empty while it stays
        self.is_ending = False  # our keeper was told to end
        self._clock = clock
        self._ask_cloud = ask_cloud  # for a notice that nobody has heard yet
        self._at = 0.0  # when it will be gone

    def take(self, notice: str, seconds: float) -> bool:
        """The VM will be gone so soon; is that news?"""
        at = self._clock.now() + seconds
        if self.notice and at > self._at - SAME_MOMENT:
            return False
        self.notice, self._at = notice, at
        return True

    def left(self) -> float:
        """Seconds until the end that was told, 0 where none was."""
        return max(self._at - self._clock.now(), 0.1) if self.notice else 0.0

    def judge(self, known: Known) -> Known:
        """An end that the machine's end may have caused is no failure.

        What takes a VM down ends its processes too, and may be quicker than any
        notice: of an end by a signal the cloud is asked first.
        """
        if not _ended_badly(known):
            return known
        notice = self.notice or (self._ask_cloud() if _by_signal(known) else "")
        if not notice:
            return known
        how = known.detail or f"exit status {known.exit_code}"
        words = f"{notice} ({how})"
        return msgspec.structs.replace(known, cause=EndCause.PREEMPTED, detail=words)


def _ended_badly(known: Known) -> bool:
    if known.cause is EndCause.SIGNALLED:
        return True
    return known.cause is EndCause.EXITED and known.exit_code != 0


def _by_signal(known: Known) -> bool:
    code = known.exit_code or 0
    return known.cause is EndCause.SIGNALLED or (
        _BY_SIGNAL < code < _BY_SIGNAL + signal.NSIG
    )
