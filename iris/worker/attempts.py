"""The attempts of one VM: started, limited, ended for certain, remembered.

What each runtime does in its own way stands in iris/worker/runtimes. Nothing here
waits; the keeper calls `act` in time, and whenever something happened.
"""

from __future__ import annotations

import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable

import msgspec

from iris.clock import Clock
from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptSpec
from iris.worker.endings import (
    Running,
    because_of,
    ended,
    has_failed,
    not_started,
    words_of_place,
)
from iris.worker.folders import VmFolder
from iris.worker.kept import KeptAttempts
from iris.worker.messages import Known, Start, Stop
from iris.worker.spares import Spares

log = logging.getLogger(__name__)


class Attempts(ABC):
    """What runs, and what has ended and is not yet forgotten."""

    kill_pause = 0.1  # seconds until what does not die is killed again

    def __init__(
        self, folder: VmFolder, clock: Clock, tell: Callable[[Known], None]
    ) -> None:
        self.known: dict[str, Known] = {}
        self._folder = folder
        self._kept = KeptAttempts(folder.known)
        self._spares = Spares(folder)
        self._clock = clock
        self._tell = tell
        self._running: dict[str, Running] = {}
        self._places: set[str] = set()  # uids that failed and hold their place

    @property
    def are_over(self) -> bool:
        """Does nothing run any more?"""
        return not self._running

    # -- what the agent asks for -----------------------------------------------------

    def accept(self, spec: AttemptSpec) -> None:
        """Remember what may start later."""
        self.known.setdefault(spec.uid, Known(spec))

    def start(self, start: Start) -> None:
        """Run an attempt that was accepted, once."""
        uid, now = start.uid, self._clock.now()
        known = self.known.get(uid)
        if known is None or uid in self._running or known.pid or known.ended_at:
            return
        if uid in self._places:
            return
        try:
            if not self._spares.take(self._folder.attempt(uid)):
                self._folder.make_attempt(uid)
            self._launch(known, Running(start, 0, now))
        except (OSError, ValueError) as error:
            self._refuse(known, start, error)

    def stop(self, stop: Stop) -> None:
        """Signal, grace, SIGKILL; what has not started never will."""
        running = self._running.get(stop.uid)
        if running is not None:
            self._stop_running(running, stop)
            return
        if stop.uid in self._places:
            self._give_up_place(stop.uid)
            return
        known = self.known.get(stop.uid)
        if known is not None and not known.ended_at:
            now, detail = self._clock.now(), stop.because or "never started"
            self._end(
                msgspec.structs.replace(
                    known, ended_at=now, cause=stop.cause, detail=detail
                )
            )

    def leave(self, cause: EndCause, because: str, grace: float) -> None:
        """The keeper is about to end: so is what runs."""
        for uid in (*self._running, *self._places):
            self.stop(Stop(uid, because, cause, grace))

    def forget(self, uid: str) -> None:
        """Its end is known where it matters."""
        known = self.known.get(uid)
        if known is not None and known.ended_at:
            del self.known[uid]
            if self._is_for_later(known):
                self._kept.drop(uid)

    # -- what happens ----------------------------------------------------------------

    @abstractmethod
    def reaped(self, pid: int, status: int) -> None:
        """A child of the keeper ended; it may be none of ours."""

    def due_at(self) -> float:
        """When to act next, 0 for only when something happens."""
        times = [each.due_at() for each in self._running.values()]
        times += [self.known[uid].kept_until for uid in self._places]
        return min((at for at in times if at), default=0.0)

    def act(self) -> None:
        """Do what is due: end what ran too long, settle ends."""
        now = self._clock.now()
        for uid, running in self._running.items():
            if running.status is None and 0 < running.due_at() <= now:
                self._end_late(uid, running, now)
        for uid in list(self._places):
            if self.known[uid].kept_until <= now:
                self._give_up_place(uid)

    def _end_late(self, uid: str, running: Running, now: float) -> None:
        if running.kill_at:
            running.kill_at = now + self.kill_pause
            self._kill(running)
        else:
            timeout = running.start.run_timeout
            because = f"ran longer than {timeout:g} s"
            self.stop(Stop(uid, because, EndCause.TIMED_OUT))

    def _stop_running(self, running: Running, stop: Stop) -> None:
        if running.status is not None and running.stopped_as is None:
            return  # it has ended by itself
        now = self._clock.now()
        if not running.ask(stop, now):
            return
        if running.kill_at <= now:
            self._kill(running)
        elif running.status is None:
            self._say_deadline(running)
            self._ask_to_end(running)

    def _say_deadline(self, running: Running) -> None:
        """Before its signal; a program without room for it has its signal alone."""
        path = self._folder.deadline(running.start.uid)
        with contextlib.suppress(OSError):
            fresh = path.with_suffix(".new")
            fresh.write_text(f"{running.kill_at:.3f}\n")
            fresh.chmod(0o644)
            fresh.replace(path)

    # -- how a runtime does it -------------------------------------------------------

    @abstractmethod
    def _launch(self, known: Known, running: Running) -> None:
        """Begin to run it. Raises OSError or ValueError where it cannot."""

    @abstractmethod
    def _ask_to_end(self, running: Running) -> None:
        """Its signal."""

    @abstractmethod
    def _kill(self, running: Running) -> None:
        """SIGKILL, to all of it."""

    @abstractmethod
    def _keep_place(self, kept: Known, start: Start) -> bool:
        """Keep what its visitors need; is there anything? Raises OSError."""

    @abstractmethod
    def _is_for_later(self, known: Known) -> bool:
        """Does it matter to a keeper that comes after us?"""

    # -- ends ------------------------------------------------------------------------

    def _refuse(self, known: Known, start: Start, error: Exception) -> None:
        """It could not be run: whoever reads its output hears why."""
        with (
            contextlib.suppress(OSError),
            self._folder.output(start.uid).open("a") as file,
        ):
            file.write(f"iris: {because_of(error, start)}\n")
        self._finish(not_started(known, start, error, self._clock.now()), start)

    def _settle(self, uid: str) -> None:
        """It has ended, and nothing of it lives."""
        running = self._running.pop(uid)
        known = ended(self.known[uid], running, self._clock.now())
        self._finish(known, running.start)

    def _finish(self, known: Known, start: Start) -> None:
        """Its end; where it failed by itself its place may be kept for a while."""
        if known.spec.keep_on_failure and has_failed(known):
            until = known.ended_at + known.spec.keep_on_failure
            kept = msgspec.structs.replace(known, ended_at=0.0, kept_until=until)
            with contextlib.suppress(OSError):  # a full disk: there is no place
                if self._keep_place(kept, start):
                    self._tell_of_place(kept)
                    self._places.add(known.spec.uid)
                    self._remember(kept)
                    self._keep(kept)
                    return
        self._end(known)

    def _tell_of_place(self, kept: Known) -> None:
        """Whoever reads its output hears how to get in."""
        spec = kept.spec
        name = f"{spec.job}/{spec.task_index}"
        with self._folder.output(spec.uid).open("a") as file:
            file.write(
                f"iris: {words_of_place(kept)}: `inv job.exec {name} -it` gets in, "
                f"`inv job.cancel {spec.job}` gives it up\n"
            )

    def _give_up_place(self, uid: str) -> None:
        """It ends now, as it failed then."""
        self._places.discard(uid)
        self._folder.kept(uid).unlink(missing_ok=True)
        now, known = self._clock.now(), self.known[uid]
        self._end(msgspec.structs.replace(known, ended_at=now, kept_until=0.0))

    def _remember(self, known: Known) -> None:
        """Write an end down, before it is told."""
        if not self._is_for_later(known):
            return
        try:
            self._kept.put(known)
        except OSError as error:  # a full disk must not end the keeper
            log.warning('end of %s not stored because="%s"', known.spec.uid, error)

    def _take_over(self, known: Known) -> None:
        """It is of a former keeper, and goes on as it was."""
        self.known[known.spec.uid] = known
        if known.kept_until:
            self._places.add(known.spec.uid)

    def _end(self, known: Known) -> None:
        self._remember(known)
        self._keep(known)

    def _keep(self, known: Known) -> None:
        self.known[known.spec.uid] = known
        self._tell(known)
