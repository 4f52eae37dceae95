"""Attempts as processes: each a session of its own, in a folder of its own.

An attempt has ended once its first process has, and nothing that it left behind
lives.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from iris.clock import Clock
from iris.domain.jobs import DEPARTURES, EndCause
from iris.processes import send, send_group, with_variables
from iris.worker.attempts import Attempts
from iris.worker.descendants import (
    fair_memory_of,
    look,
    memory_of,
    own_children,
    sort,
)
from iris.worker.endings import Running, has_failed
from iris.worker.folders import VmFolder, write_private
from iris.worker.journal import Journal
from iris.worker.messages import Known, Start, Stop
from iris.worker.runtimes.spawning import keep_files, spawn
from iris.worker.secret_files import read_secrets

WATCH_INTERVAL = 0.5  # seconds between looks at memory
WATCH_SHARE = 0.1  # of the time at most goes into these looks


class ProcessAttempts(Attempts):
    """Children of the keeper; its end is theirs."""

    def __init__(
        self,
        folder: VmFolder,
        clock: Clock,
        tell: Callable[[Known], None],
        journal: Journal,
    ) -> None:
        super().__init__(folder, clock, tell)
        self.agent_pid: Callable[[], int] = int  # a child of ours that is no attempt
        self.is_subreaper = False
        self._journal = journal
        self._ending: set[str] = set()  # uids whose first process has ended
        self._uid_by_pid: dict[int, str] = {}
        self._watch_at = 0.0
        keep_files()

    def adopt(self) -> None:
        """Go on with the failures of a former keeper; nothing of it runs any more."""
        for known in self._kept.all():
            self._take_over(known)

    def reaped(self, pid: int, status: int) -> None:
        """A child of the keeper ended; it may be the first process of an attempt."""
        uid = self._uid_by_pid.pop(pid, None)
        if uid is not None:
            self._running[uid].status = os.waitstatus_to_exitcode(status)
            self._ending.add(uid)

    def due_at(self) -> float:
        """When to act next, 0 for only when something happens."""
        at = super().due_at()
        if self._limited():
            return min(at, self._watch_at) if at else self._watch_at
        return at

    def act(self) -> None:
        """Do what is due: end what ran too long or holds too much, settle ends."""
        super().act()
        now = self._clock.now()
        if self._watch_at <= now and (limited := self._limited()):
            self._watch_memory(limited)
            took = self._clock.now() - now
            self._watch_at = now + max(WATCH_INTERVAL, took / WATCH_SHARE)
        if self._ending:
            self._settle_ends()

    # -- one attempt -----------------------------------------------------------------

    def _launch(self, known: Known, running: Running) -> None:
        uid, now = running.start.uid, running.started_at
        self._journal.starting(uid, now)
        work, output = self._folder.work(uid), self._folder.output(uid)
        env = self._environment(known, running.start)
        running.pid = pid = spawn(running.start.argv, env, work, output)
        self._running[uid] = running
        self._uid_by_pid[pid] = uid
        self._journal.started(uid, now, pid)
        self._keep(msgspec.structs.replace(known, pid=pid, started_at=now))

    def _environment(self, known: Known, start: Start) -> dict[str, str]:
        if not known.spec.secrets:
            return start.env
        return start.env | read_secrets(self._folder.secrets(start.uid))

    def _keep_place(self, kept: Known, start: Start) -> bool:
        """Its environment: the process that had it is gone."""
        environment = self._environment(kept, start)
        content = msgspec.msgpack.encode(
            {os.fsencode(k): os.fsencode(v) for k, v in environment.items()}
        )
        write_private(self._folder.kept(start.uid), content)
        return True

    def _ask_to_end(self, running: Running) -> None:
        send_group(running.pid, signal.Signals[running.start.signal])

    def _kill(self, running: Running) -> None:
        # what left the group is found once its first process has ended
        send_group(running.pid, signal.SIGKILL)

    def _remember(self, known: Known) -> None:
        at = known.ended_at or self._clock.now()  # a kept one has no process either
        self._journal.ended(known.spec.uid, at, known.exit_code)
        super()._remember(known)

    def _is_for_later(self, known: Known) -> bool:
        """One that failed with its place kept stays a failure, whoever keeps it."""
        return bool(known.spec.keep_on_failure) and has_failed(known)

    # -- memory ----------------------------------------------------------------------

    def _limited(self) -> dict[str, Running]:
        return {
            uid: running
            for uid, running in self._running.items()
            if running.start.memory_bytes
            and (running.stopped_as is None or running.stopped_as in DEPARTURES)
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
                words = f"used {used / 1e6:.0f} MB of {bound / 1e6:.0f} MB"
                self.stop(Stop(uid, words, EndCause.OUT_OF_MEMORY, grace=0.0))

    # -- ends ------------------------------------------------------------------------

    def _settle_ends(self) -> None:
        has_strangers = not self.is_subreaper or self._has_strangers()
        for uid in list(self._ending):
            running = self._running[uid]
            if has_strangers or _has_group(running.pid):
                left = self._left_behind(uid)
                if left:
                    self._end_what_is_left(running, left)
                    continue
            self._ending.discard(uid)
            self._settle(uid)

    def _end_what_is_left(self, running: Running, left: set[int]) -> None:
        """The rest of a stopped attempt has the same grace as its first process."""
        now = self._clock.now()
        has_grace = running.stopped_as is not None and now < running.kill_at
        if not has_grace:
            running.kill_at = now + self.kill_pause
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


def _has_group(pid: int) -> bool:
    """Is anything left of its group?"""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
