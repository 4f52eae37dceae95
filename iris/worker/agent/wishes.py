"""What the controller wants of this worker, attempt by attempt."""

from __future__ import annotations

import threading
from typing import Protocol

from iris.domain.machine import VmMetadata
from iris.domain.protocol import (
    AttemptReport,
    AttemptSpec,
    Desired,
    Heartbeat,
    HeartbeatAnswer,
)
from iris.domain.states import ATTEMPT_ENDED, AttemptState
from iris.errors import IrisError, Unreachable
from iris.worker.agent.desk import Desk, Held
from iris.worker.agent.environment import attempt_environment
from iris.worker.agent.preparing import Preparer, pick_port
from iris.worker.agent.shipping import Shipper
from iris.worker.folders import VmFolder
from iris.worker.messages import Accept, Forget, Start, Stop, ToKeeper

# Seconds between tries to fetch a bundle; after the last one the attempt is lost.
FETCH_PAUSES = (0.5, 2.0, 5.0, 10.0)


class Owner(Protocol):
    """What the agent lends: its line to the keeper, and its next heartbeat."""

    wake: threading.Event

    def tell(self, message: ToKeeper) -> None:
        """Say one thing to the keeper."""


class Wishes:
    """Carries out the answers to heartbeats."""

    def __init__(
        self,
        folder: VmFolder,
        metadata: VmMetadata,
        desk: Desk,
        shipper: Shipper,
        agent: Owner,
    ) -> None:
        self._folder = folder
        self._metadata = metadata
        self._desk = desk
        self._shipper = shipper
        self._tell = agent.tell
        self._wake = agent.wake
        self._preparer = Preparer(folder, metadata)
        self.token = ""  # what speaks for this worker

    def reconcile(self, heartbeat: Heartbeat, answer: HeartbeatAnswer) -> None:
        wanted = {desired.uid: desired for desired in answer.attempts}
        for desired in answer.attempts:
            self._obey(desired)
        for report in heartbeat.attempts:
            if report.uid in wanted:
                self._catch_up(report, wanted[report.uid].log_have)
            elif report.state in ATTEMPT_ENDED:
                self._forget(report.uid)
            else:
                self.stop(report.uid)

    def _catch_up(self, report: AttemptReport, have: int) -> None:
        """An end that is not taken yet: the controller lacks some of its output."""
        if report.state in ATTEMPT_ENDED and 0 <= have < report.log_bytes:
            self._shipper.rewind(report.uid, have)

    def _obey(self, desired: Desired) -> None:
        with self._desk.lock:
            held = self._desk.held.get(desired.uid)
        if held is None:
            self._begin(desired)
        elif desired.want == "stop":
            self.stop(desired.uid)
        elif desired.want == "go" and held.state is AttemptState.PREPARED:
            self._start(held, desired.coordinator)

    def _begin(self, desired: Desired) -> None:
        if desired.want == "stop":
            self._desk.never_started(desired.uid)
            self._wake.set()
        elif desired.spec is not None:
            self._tell(Accept(desired.spec))
            self._take_in(Held(desired.uid, desired.spec), desired.spec)

    def resume(self) -> None:
        """What a former agent of this VM was preparing is prepared again."""
        with self._desk.lock:
            waiting = [
                held
                for held in self._desk.held.values()
                if held.state is AttemptState.PREPARING
            ]
        for held in waiting:
            if held.spec is not None:
                self._take_in(held, held.spec)

    def _take_in(self, held: Held, spec: AttemptSpec) -> None:
        with self._desk.lock:
            self._desk.held[held.uid] = held
        self._shipper.add(held.uid)
        if spec.bundle:
            work = threading.Thread(target=self._prepare, args=(held, spec))
            work.daemon = True
            work.start()
        else:
            self._prepare(held, spec)

    def _prepare(self, held: Held, spec: AttemptSpec) -> None:
        because = self._try_to_prepare(spec)
        if because:
            self._desk.fail_to_prepare(held, because)
            self._wake.set()
        elif spec.gang:
            self._come_to_barrier(held, spec)
        else:
            self._start(held, "")

    def _try_to_prepare(self, spec: AttemptSpec) -> str:
        """Why it cannot be prepared; empty once it is."""
        because = ""
        for pause in FETCH_PAUSES:
            try:
                self._preparer.prepare(spec, self.token)
                return ""
            except Unreachable as error:
                because = str(error)
                threading.Event().wait(pause)
            except (IrisError, OSError) as error:
                return str(error)
        return because

    def _come_to_barrier(self, held: Held, spec: AttemptSpec) -> None:
        with self._desk.lock:
            if spec.worker_index == 0:
                held.coordinator_port = pick_port(self._metadata.address)
            if held.state is AttemptState.PREPARING:
                held.state = AttemptState.PREPARED
        self._wake.set()

    def _start(self, held: Held, coordinator: str) -> None:
        spec = held.spec
        with self._desk.lock:
            if held.is_started or held.is_stopped or spec is None:
                return
            held.is_started = True
        env = attempt_environment(spec, self._metadata, coordinator, self._folder.root)
        self._tell(
            Start(
                uid=spec.uid,
                argv=spec.command,
                env=env,
                memory_bytes=spec.resources.memory_bytes,
                run_timeout=spec.run_timeout,
                stop_grace=spec.stop_grace,
            )
        )

    def stop(self, uid: str) -> None:
        with self._desk.lock:
            held = self._desk.held.get(uid)
            if held is None or held.is_stopped or held.state in ATTEMPT_ENDED:
                return
            held.is_stopped = True
        self._tell(Stop(uid))

    def _forget(self, uid: str) -> None:
        with self._desk.lock:
            held = self._desk.held.get(uid)
            if held is None or held.state not in ATTEMPT_ENDED:
                return
            del self._desk.held[uid]
        self._shipper.drop(uid)
        self._tell(Forget(uid))
