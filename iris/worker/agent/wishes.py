"""What the controller wants of this worker, attempt by attempt."""

from __future__ import annotations

import queue
import threading

from iris.domain.jobs import EndCause
from iris.domain.protocol import (
    AttemptReport,
    AttemptSpec,
    Desired,
    Heartbeat,
    HeartbeatAnswer,
)
from iris.domain.states import ATTEMPT_ENDED, AttemptState
from iris.errors import (
    Busy,
    FellShort,
    IrisError,
    JobRefused,
    NoEngine,
    NotFound,
    NotPermitted,
    Unavailable,
    Unreachable,
)
from iris.errors import (
    Held as HeldByAnother,
)
from iris.worker.agent.desk import Held
from iris.worker.agent.environment import attempt_environment
from iris.worker.agent.patience import Patience
from iris.worker.agent.preparing import Preparer, pick_port
from iris.worker.agent.whereabouts import Whereabouts
from iris.worker.agent.worker import Worker
from iris.worker.endings import SAME_MOMENT
from iris.worker.folders import remove
from iris.worker.messages import Accept, Fail, Forget, Start, Stop
from iris.worker.spares import Spares

# Seconds for a bundle to come from a controller that does not answer; the
# controller itself, where it can, gives up much sooner.
PREPARE_DEADLINE = 600.0
_TRY_LATER = (Busy, HeldByAnother, NoEngine, Unavailable, Unreachable)


class Wishes:
    """Carries out the answers to heartbeats."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._desk = worker.desk
        self._tell = worker.tell
        metadata, caches = worker.metadata, worker.caches
        self._preparer = Preparer(worker.folder, metadata, worker.token, caches)
        threading.Thread(target=caches.watch, name="caches", daemon=True).start()
        self.whereabouts = Whereabouts(worker.folder, metadata, worker.desk)
        self.unfit = ""  # why this worker can run nothing any more
        self._removals: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._remove, name="removals", daemon=True).start()

    def reconcile(self, heartbeat: Heartbeat, answer: HeartbeatAnswer) -> None:
        """Make true what the answer wants of us."""
        wanted = {desired.uid: desired for desired in answer.attempts}
        for desired in answer.attempts:
            self._obey(desired)
        for report in heartbeat.attempts:
            if report.uid in wanted:
                self._catch_up(report, wanted[report.uid].log_have)
            elif report.state in ATTEMPT_ENDED:
                self._forget(report.uid)
            else:
                self.stop(Stop(report.uid, "the controller does not know it"))

    def _catch_up(self, report: AttemptReport, have: int) -> None:
        """The controller lacks output: it lost its newest lines in a crash."""
        shipper = self._worker.shipper
        if not 0 <= have < report.log_bytes:
            return
        if report.state in ATTEMPT_ENDED:
            if shipper.rewind(report.uid, have):
                self._worker.wake.set()
        elif shipper.sent(report.uid) >= report.log_bytes:
            shipper.rewind(report.uid, have)

    def _obey(self, desired: Desired) -> None:
        held = self._desk.find(desired.uid)
        if held is None:
            self._begin(desired)
        elif desired.want == "stop":
            self.stop(_stop_of(desired))
        elif desired.want == "go" and held.state is AttemptState.PREPARED:
            self._start(held, desired.coordinator)

    def _begin(self, desired: Desired) -> None:
        going, spec = self._worker.going, desired.spec
        if desired.want == "stop":
            self._desk.never_started(desired.uid)
            self._worker.wake.set()
        elif spec is not None and going.notice:
            self._tell(Accept(spec))
            self._desk.take_in(spec)
            self.stop(Stop(spec.uid, going.notice, EndCause.PREEMPTED))
        elif spec is not None and not going.is_ending:  # else another boot begins it
            self._tell(Accept(spec))
            self._take_in(spec)

    def resume(self) -> None:
        """What a former agent of this VM was preparing is prepared again."""
        for held in self._desk.all():
            if held.state is AttemptState.PREPARING and held.spec is not None:
                self._take_in(held.spec)

    def _take_in(self, spec: AttemptSpec) -> None:
        held = self._desk.take_in(spec)
        self._worker.shipper.add(spec.uid)
        self.whereabouts.tell(spec.uid)
        if not self._preparer.is_needed(spec):
            self._get_ready(held, spec)
            return
        threading.Thread(
            target=self._prepare, args=(held, spec), name="prepare", daemon=True
        ).start()

    def _prepare(self, held: Held, spec: AttemptSpec) -> None:
        fault = self._try_to_prepare(held, spec)
        if self._desk.find(spec.uid) is not held:  # stopped and forgotten meanwhile
            remove(self._worker.folder.attempt(spec.uid))
        elif fault is not None:
            self._tell(fault)
        else:
            self._get_ready(held, spec)

    def _try_to_prepare(self, held: Held, spec: AttemptSpec) -> Fail | None:
        """Why it cannot be prepared; None once it is."""
        now = self._worker.clock.now
        until, chips_until = now() + PREPARE_DEADLINE, 0.0
        patience = Patience(f"attempt {spec.uid}")
        while not held.is_stopped:
            try:
                self._preparer.prepare(spec, held)
                return None
            except _TRY_LATER as error:
                pause = patience.after(error)
                chips_until = self._chips_until(error, spec, chips_until)
                if now() + pause > (chips_until or until):
                    return self._late(spec, error, is_unfit=bool(chips_until))
                held.detail = str(error)  # why it is not prepared yet
                threading.Event().wait(pause)
            except (IrisError, OSError) as error:
                return Fail(spec.uid, str(error), _cause_of(error, spec))
        return Fail(spec.uid, "stopped")

    def _chips_until(self, error: IrisError, spec: AttemptSpec, until: float) -> float:
        """How long a stranger may still hold the chips; 0 where none does.

        What an attempt of ours has that runs beside it is no stranger's.
        """
        others = (each for each in self._desk.all() if each.uid != spec.uid)
        if not isinstance(error, HeldByAnother) or any(map(_has_chips, others)):
            return 0.0
        return until or self._worker.clock.now() + self._worker.metadata.chips_timeout

    def _late(self, spec: AttemptSpec, error: IrisError, *, is_unfit: bool) -> Fail:
        if is_unfit:  # the next attempt would fare no better
            self.unfit = str(error)
            self._worker.wake.set()
        return Fail(spec.uid, str(error))

    def _get_ready(self, held: Held, spec: AttemptSpec) -> None:
        if spec.gang:
            self._come_to_barrier(held, spec)
        else:
            self._start(held, "")

    def _come_to_barrier(self, held: Held, spec: AttemptSpec) -> None:
        with self._desk.lock:
            if spec.worker_index == 0:
                held.coordinator_port = pick_port(self._worker.metadata.address)
            if held.state is AttemptState.PREPARING:
                held.state = AttemptState.PREPARED
        self._worker.wake.set()

    def _start(self, held: Held, coordinator: str) -> None:
        spec, worker = held.spec, self._worker
        with self._desk.lock:
            if held.is_started or held.is_stopped or spec is None:
                return
            held.is_started = True
        self._tell(
            Start(
                uid=spec.uid,
                argv=spec.command,
                env=attempt_environment(
                    spec, worker.metadata, coordinator, worker.folder
                ),
                memory_bytes=spec.resources.memory_bytes,
                run_timeout=spec.run_timeout,
                stop_grace=spec.stop_grace,
                image=spec.image or worker.metadata.image,
                signal=spec.signal,
            )
        )

    def stop(self, stop: Stop) -> None:
        """End an attempt, or see that it never starts.

        A second stop is passed on for another reason, or for a nearer deadline.
        """
        with self._desk.lock:
            held = self._desk.find(stop.uid)
            if held is not None and held.has_ended:
                self._worker.collector.hurry(stop.uid)
            if held is None or held.has_ended or not self._is_news(held, stop):
                return
            held.stopped_for = stop.because
        self._tell(stop)

    def _is_news(self, held: Held, stop: Stop) -> bool:
        own = held.spec.stop_grace if held.spec else 0.0
        grace = own if stop.grace < 0 else stop.grace
        stop_by = self._worker.clock.now() + grace
        is_nearer = stop_by < held.stop_by - SAME_MOMENT
        held.stop_by = min(stop_by, held.stop_by)
        return is_nearer or held.stopped_for != stop.because

    def stop_all(
        self,
        because: str,
        cause: EndCause = EndCause.STOPPED,
        grace: float = -1.0,
    ) -> None:
        """End everything."""
        for held in self._desk.all():
            self.stop(Stop(held.uid, because, cause, grace))

    def _forget(self, uid: str) -> None:
        if self._desk.forget(uid):
            self._worker.shipper.drop(uid)
            self._worker.collector.drop(uid)
            self._removals.put(uid)

    def _remove(self) -> None:
        """Folders can be large: they go beside everything else, one after another.

        The keeper forgets last, so that a folder is never left without a name.
        """
        spares = Spares(self._worker.folder)
        while True:
            uid = self._removals.get()
            attempt = self._worker.folder.attempt(uid)
            if not spares.keep(attempt):
                remove(attempt)
            self._tell(Forget(uid))


def _has_chips(held: Held) -> bool:
    """Does it run with chips of its own?"""
    if held.spec is None or held.has_ended:
        return False
    return held.is_started and held.spec.resources.chips > 0


def _stop_of(desired: Desired) -> Stop:
    return Stop(desired.uid, desired.because, desired.cause, desired.grace)


def _cause_of(error: IrisError | OSError, spec: AttemptSpec) -> EndCause:
    """Whose fault it is that an attempt cannot be prepared."""
    if isinstance(error, FellShort):
        return EndCause.SETUP_FAILED
    if isinstance(error, JobRefused):
        return EndCause.NO_SUCH_SECRET
    if isinstance(error, NotFound | NotPermitted) and spec.image:
        return EndCause.NO_SUCH_IMAGE
    return EndCause.PREPARE_FAILED
