"""What somebody hears who waits for a job: why it waits, when the reason changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iris.domain.states import JobState
from iris.errors import IrisError
from iris.session import Session

Say = Callable[[str], None]

FIRST_LOOK, LONGEST_PAUSE = 1.0, 10.0  # seconds between looks, half as long again each


@contextmanager
def telling_why(session: Session, job: str, say: Say) -> Iterator[None]:
    """While the block runs and the job is pending, say what it waits for."""
    over = threading.Event()
    words = (session, job, say, over)
    threading.Thread(target=_tell, args=words, name="why", daemon=True).start()
    try:
        yield
    finally:
        over.set()  # it may wait for an answer still; nobody waits for it


def _tell(session: Session, job: str, say: Say, over: threading.Event) -> None:
    pause, told = FIRST_LOOK, ""
    while not over.wait(pause):
        pause = min(pause * 1.5, LONGEST_PAUSE)
        words = _why(session, job)
        if words and words != told and not over.is_set():
            told = words
            say(words)


def _why(session: Session, job: str) -> str:
    """Empty where it does not wait, or nobody answers: its follower tells of that."""
    try:
        with session.controller(patience=0.0) as client:
            why = client.why(job)
    except IrisError:
        return ""
    if why.state is not JobState.PENDING:
        return ""
    doing = f"; {why.autoscaler}" if why.autoscaler else ""
    return f"job {why.job} waits: {why.because}{doing}"
