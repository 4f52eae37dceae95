"""The keeper: parent of the agent and of all attempts of one VM.

One thread that waits for the agent's words, for children that end, and for time.
It is small on purpose: it must never be the process that fails.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import shutil
import signal
import socket
import uuid

import msgspec

from iris.clock import Clock
from iris.domain.jobs import EndCause
from iris.processes import send, started_at
from iris.worker.attempts import Running, ended, not_started
from iris.worker.descendants import look, memory_by_root, own_children
from iris.worker.folders import VmFolder, write_private
from iris.worker.journal import Journal
from iris.worker.messages import (
    Accept,
    Changed,
    Forget,
    Hello,
    Identity,
    Keep,
    Known,
    Start,
    Stop,
    ToKeeper,
)
from iris.worker.runtimes.process import ProcessRuntime
from iris.worker.supervision import Supervision

WATCH_INTERVAL = 0.5  # seconds between looks at memory
LEFTOVER_LOOK = 0.1  # seconds between looks while something will not die


class Keeper:
    """Starts, watches, ends and remembers the attempts of one VM."""

    def __init__(self, folder: VmFolder, clock: Clock) -> None:
        self.boot_id = uuid.uuid4().hex
        self._started_at = clock.now()
        self._folder = folder
        self._clock = clock
        self._runtime = ProcessRuntime(folder.root)
        self._journal = Journal(folder.journal)
        self._known: dict[str, Known] = {}
        self._running: dict[str, Running] = {}
        self._ending: set[str] = set()  # uids whose first process has ended
        self._uid_by_pid: dict[int, str] = {}
        self._selector = selectors.DefaultSelector()
        self._agent = Supervision(folder.root, clock, self._selector)
        self._watch_at = 0.0
        self._is_stopping = False

    def run(self) -> None:
        """Until SIGTERM; then everything of this VM ends first."""
        _become_subreaper()
        woken, wakes = socket.socketpair()
        wakes.setblocking(False)
        woken.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)
        self._selector.register(woken, selectors.EVENT_READ)
        self._write_identity()
        while not self._is_stopping:
            self._start_agent_when_due()
            for key, _ in self._selector.select(self._until_due()):
                if key.fileobj is woken:
                    _drain(woken)
                else:
                    for message in self._agent.hear():
                        self._obey(message)
            self._reap()
            self._act_in_time()
        self._end_all()

    def _ask_to_stop(self, *_: object) -> None:
        self._is_stopping = True

    def _write_identity(self) -> None:
        pid = os.getpid()
        content = {"pid": pid, "began": started_at(pid), "boot_id": self.boot_id}
        write_private(self._folder.keeper, msgspec.json.encode(content))

    # -- the agent -----------------------------------------------------------------

    def _start_agent_when_due(self) -> None:
        if self._agent.pid or self._clock.now() < self._agent.due_at():
            return
        self._agent.start()
        self._agent.tell(
            Hello(
                epoch=self._agent.epoch,
                boot_id=self.boot_id,
                identity=self._identity(),
                attempts=tuple(self._known.values()),
                keeper_started_at=self._started_at,
            )
        )

    def _identity(self) -> Identity | None:
        with contextlib.suppress(OSError):
            return msgspec.json.decode(
                self._folder.identity.read_bytes(), type=Identity
            )
        return None

    def _obey(self, message: ToKeeper) -> None:
        match message:
            case Accept(spec=spec):
                self._known.setdefault(spec.uid, Known(spec))
            case Start():
                self._start(message)
            case Stop(uid=uid):
                self._stop(uid, EndCause.STOPPED, "")
            case Forget(uid=uid):
                self._forget(uid)
            case Keep(identity=identity):
                write_private(self._folder.identity, msgspec.json.encode(identity))

    # -- attempts ------------------------------------------------------------------

    def _start(self, start: Start) -> None:
        uid, now = start.uid, self._clock.now()
        known = self._known.get(uid)
        if known is None or known.pid or known.ended_at:
            return
        self._journal.starting(uid, now)
        work, output = self._folder.work(uid), self._folder.output(uid)
        try:
            pid = self._runtime.start(start, work, output)
        except OSError as error:
            with output.open("a") as file:
                file.write(f"iris: cannot run {start.argv[0]!r}: {error.strerror}\n")
            self._end(not_started(known, error, now))
            return
        self._running[uid] = Running(start, pid, now)
        self._uid_by_pid[pid] = uid
        self._keep(msgspec.structs.replace(known, pid=pid, started_at=now))
        self._journal.started(uid, now, pid)

    def _stop(self, uid: str, cause: EndCause, detail: str) -> None:
        running = self._running.get(uid)
        known = self._known.get(uid)
        if running is None:
            if known is not None and not known.ended_at:
                now = self._clock.now()
                self._end(
                    msgspec.structs.replace(
                        known, ended_at=now, cause=cause, detail="never started"
                    )
                )
            return
        if running.stopped_as is None:
            running.stopped_as, running.detail = cause, detail
            grace = 0.0 if cause is EndCause.OUT_OF_MEMORY else running.start.stop_grace
            running.kill_at = self._clock.now() + grace
            if grace:
                self._runtime.signal(running.pid)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self._agent.pid:
                self._agent.ended()
            uid = self._uid_by_pid.pop(pid, None)
            if uid is not None:
                self._running[uid].status = os.waitstatus_to_exitcode(status)
                self._ending.add(uid)

    def _finish_ended(self) -> None:
        """An attempt has ended once nothing of it is left."""
        strangers = self._has_strangers() if self._ending else False
        for uid in list(self._ending):
            running = self._running[uid]
            if strangers or _has_group(running.pid):
                left = self._runtime.left_behind(uid, running.pid)
                for pid in left:
                    send(pid)
                if left:
                    running.kill_at = self._clock.now() + LEFTOVER_LOOK
                    continue
            del self._running[uid]
            self._ending.discard(uid)
            self._end(ended(self._known[uid], running, self._clock.now()))

    def _has_strangers(self) -> bool:
        """Are there children that nobody started here? They left an attempt."""
        ours = {self._agent.pid} | {each.pid for each in self._running.values()}
        return any(pid not in ours for pid in own_children())

    def _end(self, known: Known) -> None:
        self._journal.ended(known.spec.uid, known.ended_at, known.exit_code)
        self._keep(known)

    def _keep(self, known: Known) -> None:
        self._known[known.spec.uid] = known
        self._agent.tell(Changed(known))

    def _forget(self, uid: str) -> None:
        known = self._known.get(uid)
        if known is not None and known.ended_at:
            del self._known[uid]
            shutil.rmtree(self._folder.attempt(uid), ignore_errors=True)

    # -- time ----------------------------------------------------------------------

    def _until_due(self) -> float | None:
        times = [at for each in self._running.values() if (at := each.due_at())]
        if not self._agent.pid:
            times.append(self._agent.due_at())
        if any(each.start.memory_bytes for each in self._running.values()):
            times.append(self._watch_at)
        return max(min(times) - self._clock.now(), 0.0) if times else None

    def _act_in_time(self) -> None:
        now = self._clock.now()
        for uid, running in list(self._running.items()):
            if not running.due_at() or running.due_at() > now:
                continue
            if running.kill_at:
                running.kill_at = now + LEFTOVER_LOOK
                self._runtime.kill(uid, running.pid)
            else:
                timeout = running.start.run_timeout
                self._stop(uid, EndCause.TIMED_OUT, f"ran longer than {timeout:g} s")
        if now >= self._watch_at:
            self._watch_at = now + WATCH_INTERVAL
            self._watch_memory()
        self._finish_ended()

    def _watch_memory(self) -> None:
        limited = {
            each.pid: uid
            for uid, each in self._running.items()
            if each.start.memory_bytes and each.stopped_as is None
        }
        if not limited:
            return
        for pid, used in memory_by_root(look(), limited).items():
            bound = self._running[limited[pid]].start.memory_bytes
            if used > bound:
                detail = f"used {used / 1e6:.0f} MB of {bound / 1e6:.0f} MB"
                self._stop(limited[pid], EndCause.OUT_OF_MEMORY, detail)

    def _end_all(self) -> None:
        self._agent.kill()
        for uid, running in self._running.items():
            self._runtime.kill(uid, running.pid)


def _has_group(pgid: int) -> bool:
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _drain(woken: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while woken.recv(4096):
            pass


def _become_subreaper() -> None:
    """What leaves its parent becomes a child of this process (Linux only)."""
    pr_set_child_subreaper = 36  # linux/prctl.h
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
