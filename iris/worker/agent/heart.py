"""Registers the worker, then beats: what is observed goes out, wishes come in."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

from iris import __version__
from iris.domain.jobs import EndCause
from iris.domain.protocol import Heartbeat, HeartbeatAnswer, Registered, Registration
from iris.errors import Conflict, IrisError, NotAllowed, NotAuthenticated, NotThere
from iris.worker.agent.link import Link
from iris.worker.agent.nudges import NudgePort
from iris.worker.agent.patience import Patience
from iris.worker.agent.reporting import Reporter
from iris.worker.agent.wishes import Wishes
from iris.worker.agent.worker import Worker
from iris.worker.messages import Ending, Hello, Identity
from iris.worker.runtimes.limits import limits_of

log = logging.getLogger(__name__)

T = TypeVar("T")

# An epoch is a time in milliseconds: numbers have room for a million heartbeats in
# each, and 63 bits last for centuries.
EPOCH_SHIFT = 20
# A heartbeat of this many attempts, or more, is followed by a rest of twice the time
# that it took: where much happens, each carries more of it.
CROWD = 16
MOST_REST = 0.05  # seconds
REFUSALS = 3  # in a row, before what runs here is ended for them
REFUSAL_PAUSE = 1.0  # seconds between them
_NEVER = threading.Event()
_REFUSED = (Conflict, NotAllowed, NotAuthenticated, NotThere)


def rest_after(took: float, attempts: int) -> float:
    """Seconds without a heartbeat, whatever happens; hardly any where little does."""
    return min(2.0 * took * min(attempts / CROWD, 1.0), MOST_REST)


class Heart:
    """One heartbeat is in flight at a time; the next carries what changed."""

    def __init__(self, worker: Worker, reporter: Reporter, wishes: Wishes) -> None:
        self._worker = worker
        self._reporter = reporter
        self._wishes = wishes
        self._link = Link(worker.metadata, worker.token)
        self._seq = 0

    def take_notice(self, notice: str, seconds: float) -> None:
        """The VM is about to go: what runs gets its signal, the controller word."""
        if self._worker.going.take(notice, seconds):
            log.warning(
                'the VM is about to go seconds=%g because="%s"', seconds, notice
            )
            self._wishes.stop_all(notice, EndCause.PREEMPTED, seconds)
            self._worker.wake.set()

    def take_ending(self, ending: Ending) -> None:
        """Our keeper ends: nothing new begins, and how all ended is told till then."""
        self._worker.going.is_ending = True
        if ending.notice:
            self.take_notice(ending.notice, ending.seconds)
        self._worker.wake.set()

    def leave(self, url: str) -> None:
        """The controller has another address now."""
        self._link.leave(url)

    def register(self, boot_id: str) -> Identity:
        """Join the cluster on the join token; returns once it took us in."""
        metadata = self._worker.metadata
        registration = Registration(
            slice_name=metadata.slice_name,
            slice_uid=metadata.slice_uid,
            index=metadata.index,
            boot_id=boot_id,
            address=metadata.address,
            version=__version__,
            limits=limits_of(metadata.runtime),
        )
        answer = self._persist(
            "registration",
            lambda: self._link.post("/v1/workers:register", registration, Registered),
        )
        log.info("worker registered worker=%s", answer.worker_uid)
        return Identity(answer.worker_uid, answer.token, answer.cluster_uid)

    def beat_on(self, worker_uid: str, hello: Hello, nudges: NudgePort) -> NoReturn:
        """Beat for ever; ends what runs here when the cluster has no use for us."""
        path = f"/v1/workers/{worker_uid}/heartbeat"
        self._seq = hello.epoch << EPOCH_SHIFT

        def beat() -> tuple[Heartbeat, HeartbeatAnswer]:
            # cleared first: what changes from here on rides in the next one
            self._worker.wake.clear()
            self._seq += 1
            going = self._worker.going
            heartbeat = Heartbeat(
                worker_uid=worker_uid,
                boot_id=hello.boot_id,
                seq=self._seq,
                nudge_port=nudges.port,
                nudges=nudges.count,
                attempts=self._reporter.reports(),
                notice=going.notice or self._wishes.unfit,
                goes_in=going.left(),
                is_ending=going.is_ending,
            )
            return heartbeat, self._link.post(path, heartbeat, HeartbeatAnswer)

        clock = self._worker.clock
        while True:
            began = clock.now()
            heartbeat, answer = self._persist("heartbeat", beat)
            self._wishes.whereabouts.answered_at(self._link.url)
            self._wishes.reconcile(heartbeat, answer)
            took = clock.now() - began
            clock.wait(_NEVER, rest_after(took, len(heartbeat.attempts)))
            self._worker.wake.wait(answer.interval)

    def _persist(self, what: str, ask: Callable[[], T]) -> T:
        """Ask until there is an answer. A controller that is away ends nothing."""
        patience, refusals = Patience(what), 0
        while True:
            try:
                answer = ask()
            except _REFUSED as error:
                # one refusal proves little, as a look at the same wrong place does
                refusals += 1
                if refusals >= REFUSALS:
                    self._retire(error)
                self._link.close()
                threading.Event().wait(REFUSAL_PAUSE)
            except IrisError as error:
                threading.Event().wait(patience.after(error))
            else:
                patience.over()
                return answer

    def _retire(self, error: IrisError) -> NoReturn:
        """The cluster has no use for this worker: end what runs, and rest."""
        log.warning('the controller does not know this worker because="%s"', error)
        self._wishes.stop_all("the controller does not know its worker")
        while True:  # the slice is deleted from outside
            threading.Event().wait()
