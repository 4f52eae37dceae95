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
from iris.worker.attempts import Attempts
from iris.worker.boots import boot_to_go_on, write_keeper_file
from iris.worker.descendants import become_subreaper
from iris.worker.folders import VmFolder, write_private
from iris.worker.journal import Journal
from iris.worker.messages import (
    Accept,
    Changed,
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

log = logging.getLogger(__name__)

# Seconds for what runs to end by itself when the VM goes; `docker stop` waits 10.
LAST_GRACE = 5.0
DOCKER = "docker"  # the runtime whose attempts outlive a keeper
LAST_DEADLINE = 8.0  # seconds until the keeper goes though something will not die


class Keeper:
    """Starts, watches, ends and remembers the attempts of one VM."""

    def __init__(self, folder: VmFolder, clock: Clock, runtime: str) -> None:
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
            case Start():
                self._attempts.start(message)
            case Stop(uid=uid, because=because, is_lost=is_lost):
                cause = EndCause.WORKER_LOST if is_lost else EndCause.STOPPED
                self._attempts.stop(uid, cause, because)
            case Fail(uid=uid, because=because, cause=cause):
                self._attempts.stop(uid, cause, because)
            case Forget(uid=uid):
                self._attempts.forget(uid)
            case Keep(identity=identity):
                self._keep_identity(identity)

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
        """The agent first, so that nothing new starts; then all attempts."""
        log.info("keeper stopping")
        self._agent.kill()
        because = "its VM was told to stop"
        self._attempts.leave(because, LAST_GRACE)
        until = self._clock.now() + LAST_DEADLINE
        while not self._attempts.are_over and self._clock.now() < until:
            self._turn(most=until - self._clock.now())
        log.info("keeper stopped")


def _drain(woken: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while woken.recv(4096):
            pass
