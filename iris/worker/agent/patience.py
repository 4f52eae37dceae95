"""Pauses between tries that grow, and one line in the log for each outage."""

from __future__ import annotations

import logging

from iris.errors import Busy, IrisError, StoreFailed, Unreachable

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.1  # seconds
LONGEST_PAUSE = 1.0  # a controller that is back is noticed about so late
AWAY = (Busy, StoreFailed, Unreachable)  # the same may be taken the next moment


class Patience:
    """For one thing that is tried until it works."""

    def __init__(self, what: str, refused_pause: float = LONGEST_PAUSE) -> None:
        self._what = what
        self._refused_pause = refused_pause  # the longest after a refusal, in seconds
        self._pause = 0.0

    def after(self, error: IrisError) -> float:
        """Seconds to wait before the next try."""
        if not self._pause:
            log.warning('%s waits because="%s"', self._what, error)
        is_away = isinstance(error, AWAY)
        longest = LONGEST_PAUSE if is_away else self._refused_pause
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), longest)
        return self._pause

    def over(self) -> None:
        """It worked."""
        if self._pause:
            log.info("%s goes on", self._what)
        self._pause = 0.0
