"""The agent of one VM: heartbeats out, wishes in, outputs shipped.

The main thread has one heartbeat in flight at a time; whatever changes meanwhile
rides in the next, which leaves at once.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec

from iris import __version__
from iris.clock import RealClock
from iris.domain.protocol import (
    AttemptReport,
    Heartbeat,
    HeartbeatAnswer,
    PhaseReport,
    Registered,
    Registration,
)
from iris.domain.states import ATTEMPT_ENDED, AttemptState
from iris.errors import Conflict, IrisError, NotAuthenticated, NotThere
from iris.worker.agent.desk import Desk, Held, report_of
from iris.worker.agent.link import Link
from iris.worker.agent.nudges import NudgePort
from iris.worker.agent.shipping import MOST_IN_REPORT, Shipper
from iris.worker.agent.wishes import Wishes
from iris.worker.folders import VmFolder, read_metadata
from iris.worker.messages import (
    Changed,
    Hello,
    Identity,
    Keep,
    Reader,
    ToKeeper,
    decode_to_agent,
    send,
)
from iris.worker.runtimes.process import LIMITS

log = logging.getLogger(__name__)

T = TypeVar("T")

SHIP_INTERVAL = 0.2  # seconds between looks at the outputs of live attempts
RETRY_PAUSE = 0.2  # seconds after the controller did not answer, doubled up to 2 s
LONGEST_RETRY = 2.0


class Agent:
    """Speaks for one worker; all that must outlive it is the keeper's."""

    def __init__(self, folder: VmFolder, keeper: socket.socket) -> None:
        self._folder = folder
        self._keeper = keeper
        self._clock = RealClock()
        self._started_at = self._clock.now()
        self._metadata = read_metadata(folder)
        self._desk = Desk()
        self.wake = threading.Event()
        self._link = Link(self._metadata)
        self._ship_link = Link(self._metadata)
        self._shipper = Shipper(folder, self._ship_link)
        self._wishes = Wishes(folder, self._metadata, self._desk, self._shipper, self)
        self._held_back: set[str] = set()  # ends that wait for their output
        self._sending = threading.Lock()
        self._identity: Identity | None = None
        self._boot_id = ""
        self._seq = 0

    def run(self) -> None:
        """Until the keeper is gone or the controller knows us no more."""
        self._meet_keeper()
        nudges = NudgePort(self._metadata.address, self.wake)
        identity = self._identity or self._register()
        self._link.token = self._ship_link.token = identity.token
        self._wishes.token = identity.token
        threading.Thread(target=self._listen, name="keeper", daemon=True).start()
        threading.Thread(
            target=self._ship_outputs,
            args=(identity.worker_uid,),
            name="outputs",
            daemon=True,
        ).start()
        self._wishes.resume()
        self._beat_on(identity, nudges)

    # -- the keeper ------------------------------------------------------------------

    def _meet_keeper(self) -> None:
        self._reader = Reader()
        hello, since = None, []
        while hello is None:
            for message in self._hear():
                if isinstance(message, Hello):
                    hello = message
                else:
                    since.append(message.attempt)  # it ended while we came up
        self._boot_id, self._identity = hello.boot_id, hello.identity
        self._phases = {
            "keeper started": hello.keeper_started_at,
            "agent started": self._started_at,
        }
        self._seq = hello.epoch << 32
        for known in (*hello.attempts, *since):
            self._desk.take_known(known)
            self._shipper.add(known.spec.uid)

    def _hear(self) -> list[Hello | Changed]:
        arrived = self._keeper.recv(1 << 20)
        if not arrived:
            os._exit(1)  # without its keeper an agent has nothing to say
        return [decode_to_agent(body) for body in self._reader.feed(arrived)]

    def _listen(self) -> None:
        while True:
            for message in self._hear():
                if isinstance(message, Changed):
                    self._desk.take_known(message.attempt)
                    if message.attempt.ended_at:
                        self._shipper.news.set()
            self.wake.set()

    def tell(self, message: ToKeeper) -> None:
        """Say one thing to the keeper."""
        with self._sending:
            send(self._keeper, message)

    # -- the controller --------------------------------------------------------------

    def _register(self) -> Identity:
        metadata = self._metadata
        registration = Registration(
            slice_name=metadata.slice_name,
            slice_uid=metadata.slice_uid,
            index=metadata.index,
            boot_id=self._boot_id,
            address=metadata.address,
            version=__version__,
            limits=LIMITS,
        )
        answer = self._persist(
            lambda: self._link.post("/v1/workers:register", registration, Registered)
        )
        identity = Identity(answer.worker_uid, answer.token, answer.cluster_uid)
        self.tell(Keep(identity))
        log.info("registered worker=%s", identity.worker_uid)
        self._phases["registered"] = self._clock.now()
        threading.Thread(target=self._report_boot, args=(identity.token,)).start()
        return identity

    def _report_boot(self, token: str) -> None:
        """Tell how this VM came up; nothing waits for it, nothing depends on it."""
        link = Link(self._metadata)
        link.token = token
        name, index = self._metadata.slice_name, self._metadata.index
        try:
            for phase, at in self._phases.items():
                report = PhaseReport(name, index, phase, at)
                link.post(f"/v1/slices/{name}:phase", report, dict)
        except IrisError as error:
            log.info('phase not reported because="%s"', error)

    def _persist(self, ask: Callable[[], T]) -> T:
        pause = RETRY_PAUSE
        while True:
            try:
                return ask()
            except (NotAuthenticated, NotThere, Conflict) as error:
                self._retire(error)
            except IrisError as error:
                log.info('controller does not answer because="%s"', error)
                self.wake.wait(pause)
                self.wake.clear()
                pause = min(pause * 2, LONGEST_RETRY)

    def _retire(self, error: IrisError) -> None:
        """The cluster has no use for this worker: end what runs here, and rest."""
        log.warning('not known to the controller because="%s"', error)
        with self._desk.lock:
            running = [held.uid for held in self._desk.held.values()]
        for uid in running:
            self._wishes.stop(uid)
        threading.Event().wait()  # the slice is deleted from outside

    def _beat_on(self, identity: Identity, nudges: NudgePort) -> None:
        path = f"/v1/workers/{identity.worker_uid}/heartbeat"
        while True:
            self.wake.clear()
            heartbeat = self._heartbeat(identity, nudges)
            post = partial(self._link.post, path, heartbeat, HeartbeatAnswer)
            answer = self._persist(post)
            self._wishes.reconcile(heartbeat, answer)
            self.wake.wait(answer.interval)

    def _heartbeat(self, identity: Identity, nudges: NudgePort) -> Heartbeat:
        self._seq += 1
        with self._desk.lock:
            held = list(self._desk.held.values())
            reports = tuple(self._report_of(each) for each in held)
        return Heartbeat(
            worker_uid=identity.worker_uid,
            boot_id=self._boot_id,
            seq=self._seq,
            nudge_port=nudges.port,
            nudges=nudges.count,
            attempts=reports,
        )

    def _report_of(self, held: Held) -> AttemptReport:
        """An end is told only once all of its output is there, or rides along."""
        size = self._shipper.size(held.uid)
        if held.state not in ATTEMPT_ENDED:
            return report_of(held, size, 0, b"")
        if self._shipper.left(held.uid) > MOST_IN_REPORT:
            self._held_back.add(held.uid)
            self._shipper.news.set()
            going_on = msgspec.structs.replace(held, state=AttemptState.RUNNING)
            return report_of(going_on, size, 0, b"")
        self._held_back.discard(held.uid)
        offset, rest = self._shipper.tail(held.uid)
        return report_of(held, size, offset, rest)

    # -- outputs -----------------------------------------------------------------------

    def _ship_outputs(self, worker_uid: str) -> None:
        while True:
            self._shipper.news.wait(SHIP_INTERVAL if self._desk.held else None)
            self._shipper.news.clear()
            try:
                while self._shipper.ship(worker_uid):
                    pass
            except IrisError as error:
                log.info('outputs not shipped because="%s"', error)
                threading.Event().wait(RETRY_PAUSE)
                self._shipper.news.set()
            if self._has_complete_end():
                self.wake.set()

    def _has_complete_end(self) -> bool:
        """Is there an end whose report waits only for the next heartbeat?"""
        with self._desk.lock:
            ended = [
                h.uid for h in self._desk.held.values() if h.state in ATTEMPT_ENDED
            ]
        return any(uid in self._held_back for uid in ended)
