"""The attempts of one VM: started, limited, ended for certain, remembered.

An attempt has ended once its first process has, and nothing that it left behind
lives. Nothing here waits; the keeper calls `act` in time and at every end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from iris.clock import Clock
from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptSpec
from iris.processes import send, with_variables
from iris.worker.descendants import (
    fair_memory_of,
    look,
    memory_of,
    own_children,
    sort,
)
from iris.worker.endings import Running, because_of, ended, not_started
from iris.worker.folders import VmFolder
from iris.worker.journal import Journal
from iris.worker.messages import Known, Start
from iris.worker.runtimes.process import ProcessRuntime

log = logging.getLogger(__name__)

WATCH_INTERVAL = 0.5  # seconds between looks at memory
WATCH_SHARE = 0.1  # of the time at most goes into these looks
LEFTOVER_LOOK = 0.1  # seconds between looks while something will not die


class Attempts:
    """What runs, and what has ended and is not yet forgotten."""

    def __init__(
        self,
        folder: VmFolder,
        clock: Clock,
        journal: Journal,
        tell: Callable[[Known], None],
    ) -> None:
        self.known: dict[str, Known] = {}
        self.agent_pid: Callable[[], int] = int  # a child of ours that is no attempt
        self.is_subreaper = False
        self._folder = folder
        self._clock = clock
        self._journal = journal
        self._tell = tell
        self._runtime = ProcessRuntime()
        self._running: dict[str, Running] = {}
        self._ending: set[str] = set()  # uids whose first process has ended
        self._uid_by_pid: dict[int, str] = {}
        self._watch_at = 0.0

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
        if known is None or known.pid or known.ended_at:
            return
        work, output = self._folder.work(uid), self._folder.output(uid)
        try:
            work.mkdir(parents=True, exist_ok=True)
            self._journal.starting(uid, now)
            pid = self._runtime.start(start, work, output)
        except (OSError, ValueError) as error:
            with contextlib.suppress(OSError), output.open("a") as file:
                file.write(f"iris: {because_of(error, start)}\n")
            self._end(not_started(known, start, error, now))
            return
        self._running[uid] = Running(start, pid, now)
        self._uid_by_pid[pid] = uid
        self._journal.started(uid, now, pid)
        self._keep(msgspec.structs.replace(known, pid=pid, started_at=now))

    def stop(self, uid: str, cause: EndCause, detail: str) -> None:
        """Signal, grace, SIGKILL; what has not started never will."""
        running = self._running.get(uid)
        if running is not None:
            self._stop_running(running, cause, detail)
            return
        known = self.known.get(uid)
        if known is not None and not known.ended_at:
            now, detail = self._clock.now(), detail or "never started"
            self._end(
                msgspec.structs.replace(known, ended_at=now, cause=cause, detail=detail)
            )

    def stop_all(self, cause: EndCause, detail: str, grace: float) -> None:
        """Stop what runs, with no longer a grace than this."""
        until = self._clock.now() + grace
        for running in self._running.values():
            self._stop_running(running, cause, detail)
            running.kill_at = min(running.kill_at or until, until)

    def forget(self, uid: str) -> None:
        """Its end is known where it matters."""
        known = self.known.get(uid)
        if known is not None and known.ended_at:
            del self.known[uid]

    # -- what happens ----------------------------------------------------------------

    def reaped(self, pid: int, status: int) -> None:
        """A child of the keeper ended; it may be the first process of an attempt."""
        uid = self._uid_by_pid.pop(pid, None)
        if uid is not None:
            self._running[uid].status = os.waitstatus_to_exitcode(status)
            self._ending.add(uid)

    def due_at(self) -> float:
        """When to act next, 0 for only when something happens."""
        times = [at for each in self._running.values() if (at := each.due_at())]
        if self._limited():
            times.append(self._watch_at)
        return min(times, default=0.0)

    def act(self) -> None:
        """Do what is due: end what ran too long or holds too much, settle ends."""
        now = self._clock.now()
        for uid, running in self._running.items():
            if running.status is None and 0 < running.due_at() <= now:
                self._end_late(uid, running, now)
        if self._watch_at <= now and (limited := self._limited()):
            self._watch_memory(limited)
            took = self._clock.now() - now
            self._watch_at = now + max(WATCH_INTERVAL, took / WATCH_SHARE)
        if self._ending:
            self._settle()

    def _end_late(self, uid: str, running: Running, now: float) -> None:
        if running.kill_at:
            running.kill_at = now + LEFTOVER_LOOK
            self._runtime.kill(running.pid)
        else:
            timeout = running.start.run_timeout
            self.stop(uid, EndCause.TIMED_OUT, f"ran longer than {timeout:g} s")

    def _stop_running(self, running: Running, cause: EndCause, detail: str) -> None:
        if running.stopped_as is not None or running.status is not None:
            return  # it is ending already, for another reason
        running.stopped_as, running.detail = cause, detail
        grace = 0.0 if cause is EndCause.OUT_OF_MEMORY else running.start.stop_grace
        running.kill_at = self._clock.now() + grace
        if grace > 0:
            self._runtime.signal(running.pid)
        else:
            self._runtime.kill(running.pid)

    # -- memory ----------------------------------------------------------------------

    def _limited(self) -> dict[str, Running]:
        return {
            uid: running
            for uid, running in self._running.items()
            if running.start.memory_bytes
            and running.stopped_as is None
            and running.status is None
        }

    def _watch_memory(self, limited: dict[str, Running]) -> None:
        seen = look()
        pids_by_uid = sort(seen, self._vm, self._roots(), self.agent_pid()).by_uid
        for uid, running in limited.items():
            bound, pids = running.start.memory_bytes, pids_by_uid[uid]
            if memory_of(pids, seen) <= bound:
                continue
            # forked workers share most of their memory: only the slow look is just
            used = fair_memory_of(pids, seen)
            if used > bound:
                detail = f"used {used / 1e6:.0f} MB of {bound / 1e6:.0f} MB"
                self._stop_running(running, EndCause.OUT_OF_MEMORY, detail)

    # -- ends ------------------------------------------------------------------------

    def _settle(self) -> None:
        has_strangers = not self.is_subreaper or self._has_strangers()
        for uid in list(self._ending):
            running = self._running[uid]
            if has_strangers or self._runtime.has_group(running.pid):
                left = self._left_behind(uid)
                if left:
                    self._end_what_is_left(running, left)
                    continue
            del self._running[uid]
            self._ending.discard(uid)
            self._end(ended(self.known[uid], running, self._clock.now()))

    def _end_what_is_left(self, running: Running, left: set[int]) -> None:
        """The rest of a stopped attempt has the same grace as its first process."""
        now = self._clock.now()
        has_grace = running.stopped_as is not None and now < running.kill_at
        if not has_grace:
            running.kill_at = now + LEFTOVER_LOOK
        for pid in left - running.asked if has_grace else left:
            send(pid, signal.SIGTERM if has_grace else signal.SIGKILL)
        running.asked |= left

    def _has_strangers(self) -> bool:
        """Are there children that nobody started here? They left an attempt."""
        ours = {self.agent_pid(), *(each.pid for each in self._running.values())}
        return not ours.issuperset(own_children())

    def _left_behind(self, uid: str) -> set[int]:
        """What lives of an attempt; the last one also has what bears no mark."""
        found = sort(look(), self._vm, self._roots(), self.agent_pid())
        left = found.by_uid[uid] | set(
            with_variables(IRIS_VM=str(self._vm), IRIS_ATTEMPT_UID=uid)
        )
        return left | found.unclaimed if len(self._running) == 1 else left

    def _roots(self) -> dict[int, str]:
        return {running.pid: uid for uid, running in self._running.items()}

    @property
    def _vm(self) -> Path:
        return self._folder.root

    def _end(self, known: Known) -> None:
        self._journal.ended(known.spec.uid, known.ended_at, known.exit_code)
        self._keep(known)

    def _keep(self, known: Known) -> None:
        self.known[known.spec.uid] = known
        self._tell(known)
