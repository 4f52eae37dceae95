"""The keeper: parent of the agent and of all attempts of one VM.

One thread that waits for the agent's words, for children that end, and for time.
It is small on purpose: it must never be the process that fails.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket

import msgspec

from iris.clock import Clock
from iris.domain.jobs import EndCause
from iris.domain.machine import VmMetadata
from iris.worker.attempts import Attempts
from iris.worker.boots import boot_to_go_on, write_keeper_file
from iris.worker.descendants import become_subreaper
from iris.worker.folders import VmFolder, write_private
from iris.worker.journal import Journal
from iris.worker.messages import (
    Accept,
    Changed,
    Ending,
    Fail,
    Forget,
    Hello,
    Identity,
    Keep,
    Known,
    Start,
    Stop,
    ToKeeper,
)
from iris.worker.runtimes.process import ProcessAttempts
from iris.worker.supervision import Supervision
from iris.worker.surroundings import PREEMPTED, is_preempted

log = logging.getLogger(__name__)

DOCKER = "docker"  # the runtime whose attempts outlive a keeper
# Seconds from SIGTERM to SIGKILL, where whoever started us does not say: as Docker's
STOP_TIMEOUT = 10.0
LAST_WORDS = 5.0  # seconds of these that attempts do not have
LAST_MARGIN = 2.0  # seconds of these in which the keeper is gone already
TELL_DEADLINE = 2.0  # seconds for the controller to hear how attempts ended
TOLD_TO_STOP = "its VM was told to stop"


class Keeper:
    """Starts, watches, ends and remembers the attempts of one VM."""

    def __init__(self, folder: VmFolder, clock: Clock, metadata: VmMetadata) -> None:
        runtime, self._metadata_address = metadata.runtime, metadata.metadata_address
        former = boot_to_go_on(folder) if runtime == DOCKER else ""
        self.boot_id = former or os.urandom(16).hex()
        self._folder = folder
        self._clock = clock
        self._began_at = clock.now()
        self._selector = selectors.DefaultSelector()
        self._agent = Supervision(folder.root, clock, self._selector)
        self._woken, self._wakes = socket.socketpair()
        self._attempts = (
            self._adopt(goes_on=bool(former))
            if runtime == DOCKER
            else self._make_attempts()
        )
        self._identity = self._read_identity()
        self._is_stopping = False
        self._stop_timeout = float(os.environ.get("IRIS_STOP_TIMEOUT", STOP_TIMEOUT))

    def _adopt(self, *, goes_on: bool) -> Attempts:
        from iris.worker.runtimes.containers import ContainerAttempts
        from iris.worker.runtimes.engine import Engine

        engine = Engine(str(self._folder.root))
        attempts = ContainerAttempts(
            self._folder, self._clock, self._tell, self._wake, engine
        )
        attempts.adopt(are_alive=goes_on)
        return attempts

    def _wake(self) -> None:
        """For a thread that has news: the keeper acts."""
        with contextlib.suppress(BlockingIOError):  # it is being woken already
            self._wakes.send(b"\0")

    def _make_attempts(self) -> Attempts:
        journal = Journal(self._folder.journal, self.boot_id)
        attempts = ProcessAttempts(self._folder, self._clock, self._tell, journal)
        attempts.agent_pid = lambda: self._agent.pid
        attempts.is_subreaper = become_subreaper()
        attempts.adopt()
        return attempts

    def run(self) -> None:
        """Until SIGTERM; then everything of this VM ends first."""
        self._listen_to_signals()
        write_keeper_file(self._folder, self.boot_id)
        while not self._is_stopping:
            self._start_agent_when_due()
            self._turn()
        self._end_all()

    def _turn(self, most: float | None = None) -> None:
        """Wait until something happens or is due, and do what it asks for."""
        for key, mask in self._selector.select(self._until_due(most)):
            if key.fileobj is self._woken:
                _drain(self._woken)
                continue
            if mask & selectors.EVENT_WRITE:
                self._agent.send_on()
            if mask & selectors.EVENT_READ:
                for message in self._agent.hear():
                    self._obey(message)
        self._reap()
        self._attempts.act()

    def _until_due(self, most: float | None) -> float | None:
        times = [self._attempts.due_at(), self._agent.due_at()]
        if self._is_stopping:
            times.pop()
        now = self._clock.now()
        waits = [max(at - now, 0.0) for at in times if at]
        if most is not None:
            waits.append(most)
        return min(waits, default=None)

    def _listen_to_signals(self) -> None:
        for end in (self._woken, self._wakes):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def _ask_to_stop(self, *_: object) -> None:
        self._is_stopping = True

    # -- the agent -----------------------------------------------------------------

    def _start_agent_when_due(self) -> None:
        if self._agent.pid or self._clock.now() < self._agent.due_at():
            return
        self._agent.start()
        self._agent.tell(
            Hello(
                epoch=self._agent.epoch,
                boot_id=self.boot_id,
                began_at=self._began_at,
                identity=self._identity,
                attempts=tuple(self._attempts.known.values()),
            )
        )

    def _tell(self, known: Known) -> None:
        self._agent.tell(Changed(known))

    def _obey(self, message: ToKeeper) -> None:
        match message:
            case Accept(spec=spec):
                self._attempts.accept(spec)
            case Start(uid=uid):
                self._start(uid, message)
            case Stop():
                self._attempts.stop(message)
            case Fail(uid=uid, because=because, cause=cause):
                self._attempts.stop(Stop(uid, because, cause))
            case Forget(uid=uid):
                self._attempts.forget(uid)
            case Keep(identity=identity):
                self._keep_identity(identity)

    def _start(self, uid: str, start: Start) -> None:
        if self._is_stopping:
            self._attempts.stop(Stop(uid, TOLD_TO_STOP, EndCause.WORKER_LOST))
        else:
            self._attempts.start(start)

    def _read_identity(self) -> Identity | None:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            content = self._folder.identity.read_bytes()
            return msgspec.json.decode(content, type=Identity)
        return None

    def _keep_identity(self, identity: Identity) -> None:
        self._identity = identity
        try:
            write_private(self._folder.identity, msgspec.json.encode(identity))
        except OSError as error:  # a keeper that starts anew is another boot anyway
            log.warning('identity not stored because="%s"', error)

    # -- ends ----------------------------------------------------------------------

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self._agent.pid:
                for message in self._agent.ended():
                    self._obey(message)
            self._attempts.reaped(pid, status)

    def _end_all(self) -> None:
        """All attempts, then the agent: how they ended is told before it goes."""
        preempted = PREEMPTED if is_preempted(self._metadata_address) else ""
        log.info('keeper stopping because="%s"', preempted or TOLD_TO_STOP)
        until = self._clock.now() + self._stop_timeout - LAST_MARGIN
        grace = self._stop_timeout - LAST_WORDS
        self._agent.tell(Ending(preempted, grace))
        cause = EndCause.PREEMPTED if preempted else EndCause.WORKER_LOST
        self._attempts.leave(cause, preempted or TOLD_TO_STOP, grace)
        while not self._attempts.are_over and self._clock.now() < until:
            self._turn(most=until - self._clock.now())
        until = min(until, self._clock.now() + TELL_DEADLINE)
        while self._has_untold_ends() and self._clock.now() < until:
            self._turn(most=until - self._clock.now())
        self._agent.kill()
        log.info("keeper stopped")

    def _has_untold_ends(self) -> bool:
        ends = any(known.ended_at for known in self._attempts.known.values())
        return ends and self._agent.pid != 0


def _drain(woken: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while woken.recv(4096):
            pass
