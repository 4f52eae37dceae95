"""Attempts as containers: they outlive their keeper, and the next one adopts them.

Nothing here waits for the engine: each container has a thread, which tells what
happened. What an attempt prints goes straight into the file of its folder.
"""

from __future__ import annotations

import logging
import queue
import signal
import threading
from collections.abc import Callable
from functools import partial

import msgspec

from iris.clock import Clock
from iris.domain.jobs import DEPARTURES, EndCause
from iris.errors import IrisError
from iris.worker.attempts import Attempts
from iris.worker.chips import devices
from iris.worker.endings import Running, ended
from iris.worker.folders import VmFolder, remove
from iris.worker.messages import Known, Start
from iris.worker.runtimes.engine import End, Engine, Wish
from iris.worker.runtimes.inside import (
    MISSING,
    in_shell,
    open_to_containers,
    show_secrets,
)
from iris.worker.runtimes.news import Ended, News, NotStarted, PlaceLost, Started

log = logging.getLogger(__name__)


# What runs in a container that is kept for visitors.
WAIT = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done")


class ContainerAttempts(Attempts):
    """Containers of the VM's engine, known by their label."""

    kill_pause = 1.0

    def __init__(
        self,
        folder: VmFolder,
        clock: Clock,
        tell: Callable[[Known], None],
        wake: Callable[[], None],  # the keeper, to act
        engine: Engine,
    ) -> None:
        super().__init__(folder, clock, tell)
        self._wake = wake
        self._engine = engine
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()

    def adopt(self, *, are_alive: bool) -> None:
        """Go on with what a former keeper left, unless its machine went down."""
        for known in self._kept.all():
            uid = known.spec.uid
            if not are_alive:
                self._kept.drop(uid)
                continue
            self._take_over(known)
            if known.started_at and not (known.ended_at or known.kept_until):
                self._running[uid] = Running(_start_of(known), 0, known.started_at)
                self._in_background(partial(self._follow, uid, is_watched=False))
        if not are_alive:
            remove(self._folder.attempts)
        log.info("attempts adopted count=%d", len(self._running))
        self._in_background(self._sweep)

    def leave(self, cause: EndCause, because: str, grace: float) -> None:
        """What runs goes on, and the next keeper finds it, unless the machine goes."""
        if cause is EndCause.PREEMPTED:
            super().leave(cause, because, grace)
        else:
            self._running.clear()

    def reaped(self, pid: int, status: int) -> None:
        """No attempt is a child of the keeper."""

    def act(self) -> None:
        """Take in what happened, then end what ran too long."""
        while not self._news.empty():
            self._take(self._news.get())
        super().act()

    # -- one attempt -----------------------------------------------------------------

    def _launch(self, known: Known, running: Running) -> None:
        start, folder = running.start, self._folder.attempt(running.start.uid)
        parts = (folder / "work", self._folder.outputs(start.uid))
        open_to_containers(self._folder, start.uid, *parts)
        known = msgspec.structs.replace(known, started_at=running.started_at)
        self._kept.put(known)
        self.known[start.uid] = known
        self._running[start.uid] = running
        self._in_background(lambda: self._live(known, start))

    def _live(self, known: Known, start: Start) -> None:
        """From start to end, in a thread of its own."""
        uid = start.uid
        try:
            if known.spec.secrets:
                show_secrets(self._folder.secrets(uid), self._engine, start.image)
            pid = self._engine.start(self._wish(known, start))
        except (IrisError, OSError, ValueError) as error:
            self._engine.remove(uid)  # it may have been made, or even started
            self._tell_keeper(NotStarted(uid, error))
            return
        self._tell_keeper(Started(uid, pid))
        self._follow(uid)

    def _wish(self, known: Known, start: Start) -> Wish:
        resources = known.spec.resources
        output = str(self._folder.output(start.uid))
        return Wish(
            uid=start.uid,
            image=start.image,
            argv=in_shell(output, start.argv),
            env=start.env,
            mounts=(str(self._folder.attempt(start.uid)), str(self._folder.shared)),
            work=str(self._folder.work(start.uid)),
            cpus=resources.cpus,
            memory_bytes=start.memory_bytes,
            devices=tuple(map(str, devices())) if resources.chips else (),
        )

    def _follow(self, uid: str, *, is_watched: bool = True) -> None:
        end = self._engine.wait(uid, is_watched=is_watched)
        self._tell_keeper(Ended(uid, end))

    def _ask_to_end(self, running: Running) -> None:
        self._signal(running.start.uid, running.start.signal)

    def _kill(self, running: Running) -> None:
        self._signal(running.start.uid, "SIGKILL")

    def _signal(self, uid: str, name: str) -> None:
        self._in_background(lambda: self._engine.signal(uid, name))

    def _is_for_later(self, known: Known) -> bool:
        return True

    # -- what happened ---------------------------------------------------------------

    def _take(self, news: News) -> None:
        if isinstance(news, PlaceLost) and news.uid in self._places:
            self._give_up_place(news.uid)
        running = self._running.get(news.uid)
        if running is None:
            return
        match news:
            case Started(uid=uid, pid=pid):
                self._take_start(uid, pid, running)
            case NotStarted(uid=uid, error=error):
                del self._running[uid]
                self._take_refusal(running, error)
            case Ended(uid=uid, end=end):
                self._take_end(uid, end, running)

    def _take_start(self, uid: str, pid: int, running: Running) -> None:
        running.pid = pid
        self._keep(msgspec.structs.replace(self.known[uid], pid=pid))
        if running.stopped_as is not None:  # meanwhile: the signal found nobody
            self._ask_to_end(running)

    def _take_refusal(self, running: Running, error: Exception) -> None:
        known = self.known[running.start.uid]
        if running.stopped_as is None:
            self._refuse(known, running.start, error)
        else:
            self._end(ended(known, running, self._clock.now()))

    def _take_end(self, uid: str, end: End, running: Running) -> None:
        running.status = _status_of(end)
        is_departure = running.stopped_as in DEPARTURES and end.is_out_of_memory
        if running.stopped_as is None or is_departure:
            running.stopped_as, running.detail = self._cause_of(uid, end, running)
        self._settle(uid)
        start = running.start if uid in self._places else None
        self._in_background(lambda: self._clear(uid, start))

    def _clear(self, uid: str, kept: Start | None) -> None:
        """Its container goes; another that does nothing may take its place."""
        self._engine.remove(uid)
        if kept is None:
            return
        waiting = msgspec.structs.replace(kept, argv=WAIT)
        try:
            self._engine.start(self._wish(self.known[uid], waiting))
        except (IrisError, OSError, ValueError, KeyError) as error:
            log.warning('place of %s not kept because="%s"', uid, error)
            self._tell_keeper(PlaceLost(uid))
        if uid not in self._places:  # it was given up meanwhile
            self._engine.remove(uid)

    def _keep_place(self, kept: Known, start: Start) -> bool:
        """One that never ran has nothing that anybody could get into."""
        return bool(kept.pid)

    def _give_up_place(self, uid: str) -> None:
        super()._give_up_place(uid)
        self._in_background(lambda: self._engine.remove(uid))

    def _cause_of(
        self, uid: str, end: End, running: Running
    ) -> tuple[EndCause | None, str]:
        """Why it ended, where its status alone does not tell."""
        if end.status is None:
            return EndCause.WORKER_LOST, "its container is gone"
        if end.is_out_of_memory and end.status:
            bound = running.start.memory_bytes / 1e6
            return EndCause.OUT_OF_MEMORY, f"used more than its {bound:.0f} MB"
        if (self._folder.attempt(uid) / MISSING).exists():
            command = running.start.argv[0]
            return EndCause.NO_SUCH_COMMAND, f"cannot run {command!r} in its image"
        if end.is_unwatched and end.status >= 128:
            return EndCause.WORKER_LOST, "ended with the engine, or while nobody looked"
        return None, ""

    def _sweep(self) -> None:
        """Remove what has ended, and what nobody knows."""
        try:
            uids = self._engine.uids()
        except IrisError as error:
            log.warning('containers not looked for because="%s"', error)
            return
        for uid in uids:
            known = self.known.get(uid)
            if known is None or known.ended_at:
                self._engine.remove(uid)

    def _tell_keeper(self, news: News) -> None:
        self._news.put(news)
        self._wake()

    def _in_background(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name="container", daemon=True).start()


def _start_of(known: Known) -> Start:
    spec = known.spec
    return Start(
        uid=spec.uid,
        argv=spec.command,
        env={},
        memory_bytes=spec.resources.memory_bytes,
        run_timeout=spec.run_timeout,
        stop_grace=spec.stop_grace,
        signal=spec.signal,
    )


def _status_of(end: End) -> int:
    """As a process's: negative for a signal; an engine says 128 and more."""
    if end.status is None:
        return -signal.SIGKILL
    is_signal = 128 < end.status < 128 + signal.NSIG
    return 128 - end.status if is_signal else end.status
