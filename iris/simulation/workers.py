"""A model of a VM and of the worker on it: it speaks the real protocol.

Keeper and agent are one thing here, save that an agent may freeze or start anew
while what the keeper started runs on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from iris.controller.change import hash_token
from iris.domain.jobs import EndCause
from iris.domain.protocol import (
    AttemptSpec,
    Desired,
    Heartbeat,
    HeartbeatAnswer,
    Registered,
    Registration,
)
from iris.domain.states import AttemptState
from iris.errors import Conflict, IrisError, NotAuthenticated, NotThere, Unreachable
from iris.providers.contract import SliceRequest
from iris.simulation.faults import Weather
from iris.simulation.runs import Fate, FateOf, Run
from iris.simulation.truth import Truth
from iris.simulation.world import HOUR, MINUTE, World

TIMEOUT = 10.0  # seconds until the agent gives a heartbeat up
NEVER = float("inf")


class Line(Protocol):
    """The way to the controller. Raises Unreachable while nobody answers."""

    def register(self, registration: Registration, token_hash: str) -> Registered: ...

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer: ...

    def learn(self, worker_uid: str, beat_now: Callable[[], None]) -> None:
        """From now on nudges for the worker go there."""


class Surroundings:
    """What all VMs share."""

    def __init__(
        self, world: World, weather: Weather, truth: Truth, line: Line, fate_of: FateOf
    ) -> None:
        self.world = world
        self.weather = weather
        self.truth = truth
        self.line = line
        self.fate_of = fate_of


class SimulatedVm:
    """One VM of a slice, from its boot to its end."""

    def __init__(self, around: Surroundings, request: SliceRequest, index: int) -> None:
        self.siblings: list[SimulatedVm] = [self]
        self.when_broken: Callable[[str], None] = lambda words: None
        self.is_on = True
        self._around = around
        self._world, self._weather = around.world, around.weather
        self._request = request
        self._index = index
        self._boot = 1
        self._uid = ""  # of the worker, once it is registered
        self._runs: dict[str, Run] = {}
        self._seq = 0
        self._interval = 10.0
        self._notice = ""
        self._away_until = 0.0  # frozen, cut off or rebooting: no words till then
        self._beat_at = NEVER
        self._in_flight = 0  # seq of the heartbeat that is on its way, 0 if none

    @property
    def name(self) -> str:
        return f"{self._request.name}/{self._index}"

    def boot(self) -> None:
        """Bring the VM up; some never get as far as a first word."""
        if self._weather.strikes(self._weather.faults.boot_fails):
            self._world.tell(f"vm {self.name} never boots")
            return
        seconds = self._weather.between(10.0, 2 * MINUTE)
        self._world.after(seconds, self._register)
        self._await_trouble()

    def end(self, because: str) -> None:
        """The machine is off, and everything on it."""
        if not self.is_on:
            return
        self.is_on = False
        self._world.tell(f"vm {self.name} ends: {because}")
        self._end_all_runs()

    def heal(self) -> None:
        """Whatever keeps it from speaking is over."""
        if self.is_on and self._away_until > self._world.now:
            self._away_until = self._world.now
            self._beat_within(1.0)

    def has_runs(self) -> bool:
        """Does anything of a user's live on it?"""
        return any(run.is_live for run in self._runs.values())

    # -- first words ---------------------------------------------------------------

    def _register(self) -> None:
        if not self.is_on:
            return
        registration = Registration(
            slice_name=self._request.name,
            slice_uid=self._request.uid,
            index=self._index,
            boot_id=self._boot_id(),
            address=f"10.0.0.{self._index}",
            version="simulated",
        )
        token = hash_token(self._request.join_tokens[self._index])
        try:
            registered = self._around.line.register(registration, token)
        except (NotAuthenticated, Conflict) as error:
            self._world.tell(f"vm {self.name} is turned away: {error}")
            return
        except IrisError:
            self._world.after(5.0, self._register)
            return
        if self._weather.strikes(self._weather.faults.message_lost):
            self._world.after(5.0, self._register)  # the answer was lost
            return
        self._uid, self._interval = registered.worker_uid, registered.interval
        self._around.line.learn(self._uid, lambda: self._beat_within(0.02))
        self._beat_within(0.0)

    def _boot_id(self) -> str:
        return f"{self._request.uid}-{self._index}-{self._boot}"

    # -- heartbeats ------------------------------------------------------------------

    def _beat_within(self, seconds: float) -> None:
        at = max(self._world.now + seconds, self._away_until)
        if at >= self._beat_at or self._in_flight:
            return  # one is due sooner; or the next leaves when this one is back
        self._beat_at = at
        self._world.at(at, lambda: self._beat(at))

    def _beat(self, at: float) -> None:
        if not self.is_on or self._beat_at != at or not self._uid:
            return
        self._beat_at = NEVER
        if self._away_until > self._world.now:
            self._beat_within(0.0)
            return
        self._seq += 1
        heartbeat = Heartbeat(
            worker_uid=self._uid,
            boot_id=self._boot_id(),
            seq=self._seq,
            attempts=tuple(run.report() for run in self._runs.values()),
            notice=self._notice,
        )
        self._send(heartbeat)

    def _send(self, heartbeat: Heartbeat) -> None:
        weather, faults = self._weather, self._weather.faults
        self._in_flight = heartbeat.seq
        if weather.strikes(faults.message_lost):
            self._give_up_later(heartbeat)
            if weather.strikes(0.5):
                self._deliver(heartbeat, is_heard=False)  # only the answer is lost
        elif weather.strikes(faults.message_slow):
            self._give_up_later(heartbeat)
            seconds = weather.between(0.1, 2 * TIMEOUT)
            self._world.after(seconds, lambda: self._deliver(heartbeat))
        else:
            self._deliver(heartbeat)
            if weather.strikes(faults.message_repeated):
                seconds = weather.between(0.1, MINUTE)
                self._world.after(
                    seconds, lambda: self._deliver(heartbeat, is_heard=False)
                )

    def _give_up_later(self, heartbeat: Heartbeat) -> None:
        self._world.after(TIMEOUT, lambda: self._give_up(heartbeat))

    def _give_up(self, heartbeat: Heartbeat) -> None:
        if self._in_flight == heartbeat.seq:
            self._in_flight = 0
            self._beat_within(0.1)

    def _deliver(self, heartbeat: Heartbeat, is_heard: bool = True) -> None:
        """The request arrives; `is_heard`: somebody may wait for the answer."""
        try:
            answer = self._around.line.heartbeat(heartbeat)
        except Unreachable:
            if is_heard and self._in_flight == heartbeat.seq:
                self._in_flight = 0
                self._beat_within(TIMEOUT)
            return
        except NotThere:
            if is_heard and self.is_on:
                self._world.tell(f"vm {self.name} is not known any more")
                self._end_all_runs()
                self._uid = ""
            return
        if is_heard and self.is_on and self._in_flight == heartbeat.seq:
            self._in_flight = 0
            self._take(heartbeat, answer)

    def _take(self, heartbeat: Heartbeat, answer: HeartbeatAnswer) -> None:
        self._interval = answer.interval
        desired = {each.uid: each for each in answer.attempts}
        for each in answer.attempts:
            self._obey(each)
        for report in heartbeat.attempts:
            if report.uid not in desired:
                self._drop(report.uid)
        reported = {report.uid: report.state for report in heartbeat.attempts}
        is_news = any(
            reported.get(uid) is not run.state for uid, run in self._runs.items()
        )
        self._beat_within(0.0 if is_news else self._interval)

    # -- reconciling -----------------------------------------------------------------

    def _obey(self, desired: Desired) -> None:
        run = self._runs.get(desired.uid)
        if desired.want == "stop":
            if run is None:
                run = self._runs[desired.uid] = Run(desired.uid, None)
                self._finish(run, AttemptState.CANCELLED, None, EndCause.STOPPED)
            self._stop(run)
        elif run is None and desired.spec is not None:
            self._begin(desired.spec)
        elif run is not None and desired.want == "go":
            run.may_start = True
            if run.state is AttemptState.PREPARED:
                self._start(run)

    def _drop(self, uid: str) -> None:
        run = self._runs.get(uid)
        if run is None:
            return
        if run.is_live:
            self._stop(run)
        else:
            del self._runs[uid]

    def _begin(self, spec: AttemptSpec) -> None:
        run = self._runs[spec.uid] = Run(spec.uid, spec)
        run.may_start = not spec.gang
        self._around.truth.take(spec, self._request.group.resources)
        fate = self._around.fate_of(spec)
        self._world.after(fate.prepare_seconds, lambda: self._prepared(run, fate))

    def _prepared(self, run: Run, fate: Fate) -> None:
        if not self._is_current(run) or run.is_stopping or run.spec is None:
            return
        if not fate.is_prepared:
            self._finish(run, AttemptState.FAILED, None, EndCause.PREPARE_FAILED)
            return
        run.state = AttemptState.PREPARED
        self._around.truth.prepared(run.spec)
        if run.spec.gang and run.spec.worker_index == 0:
            run.port = 8476
        if run.may_start:
            self._start(run)
        self._beat_within(0.0)

    def _start(self, run: Run) -> None:
        if run.spec is None:
            return
        run.state = AttemptState.RUNNING
        self._around.truth.start(run.spec)
        fate = self._around.fate_of(run.spec)
        self._world.after(fate.run_seconds, lambda: self._exit(run, fate))

    def _exit(self, run: Run, fate: Fate) -> None:
        """The program ends by itself."""
        if not self._is_current(run) or run.spec is None:
            return
        task = (run.spec.job_uid, run.spec.task_index)
        if fate.exit_code == 0:
            self._around.truth.succeeded.add(task)
            self._finish(run, AttemptState.SUCCEEDED, 0, EndCause.EXITED)
            return
        self._around.truth.failures[task] += 1
        self._finish(run, AttemptState.FAILED, fate.exit_code, fate.cause)
        self._break_gang(run.spec)

    def _stop(self, run: Run) -> None:
        if not run.is_live or run.is_stopping:
            return
        run.is_stopping = True
        grace = run.spec.stop_grace if run.spec else 0.0
        seconds = self._weather.between(0.05, grace)
        self._world.after(seconds, lambda: self._stopped(run))

    def _stopped(self, run: Run) -> None:
        if self._is_current(run):
            self._finish(run, AttemptState.CANCELLED, -15, EndCause.STOPPED)

    def _finish(
        self, run: Run, state: AttemptState, exit_code: int | None, cause: EndCause
    ) -> None:
        run.state, run.exit_code, run.cause = state, exit_code, cause
        if run.spec is not None:
            self._around.truth.end(run.spec)
        self._beat_within(0.0)

    def _is_current(self, run: Run) -> bool:
        return self.is_on and run.is_live and self._runs.get(run.uid) is run

    # -- trouble -----------------------------------------------------------------------

    def _break_gang(self, spec: AttemptSpec) -> None:
        """Siblings notice that a member is gone, and exit 1 within seconds."""
        if not spec.gang:
            return
        for vm in self.siblings:
            if vm is not self:
                seconds = self._weather.between(1.0, 10.0)
                self._world.after(seconds, lambda vm=vm: vm.lose_sibling(spec))

    def lose_sibling(self, spec: AttemptSpec) -> None:
        """A member of the same gang start ended badly."""
        for run in list(self._runs.values()):
            mine = run.spec
            if mine is None or not self._is_current(run):
                continue
            is_same = (mine.job_uid, mine.number) == (spec.job_uid, spec.number)
            if is_same and run.state is AttemptState.RUNNING:
                self._finish(run, AttemptState.FAILED, 1, EndCause.EXITED)

    def _end_all_runs(self) -> None:
        runs, self._runs = self._runs, {}
        for run in runs.values():
            if run.is_live and run.spec is not None:
                self._around.truth.end(run.spec)
                self._break_gang(run.spec)

    def _await_trouble(self) -> None:
        gap = self._weather.gap(self._weather.faults.trouble_gap)
        self._world.after(gap, self._have_trouble)

    def _have_trouble(self) -> None:
        if not self.is_on or self._world.is_quiet:
            return
        trouble = self._weather.chance.choice(TROUBLES)
        self._world.tell(f"vm {self.name} {trouble.__name__.strip('_')}")
        trouble(self)
        self._await_trouble()

    def _dies(self) -> None:
        self.end("it broke")
        self.when_broken("the VM stopped")

    def _loses_its_keeper(self) -> None:
        """With the keeper go the attempts; nothing of ours is left on the VM."""
        self.end("its keeper died")
        self.when_broken("the keeper is dead")

    def _reboots(self) -> None:
        self._end_all_runs()
        self._boot += 1
        self._stay_away(self._weather.between(20.0, 3 * MINUTE))

    def _restarts_its_agent(self) -> None:
        self._stay_away(self._weather.between(0.5, 5.0))

    def _freezes(self) -> None:
        self._stay_away(self._weather.between(5.0, 0.5 * HOUR))

    def _is_cut_off(self) -> None:
        self._stay_away(self._weather.between(5.0, 2 * HOUR))

    def _is_told_to_go(self) -> None:
        self._notice = "maintenance begins soon"
        self._world.after(
            self._weather.between(MINUTE, 10 * MINUTE), lambda: self._goes()
        )
        self._beat_within(0.0)

    def _goes(self) -> None:
        self.end("its time has come")
        self.when_broken("the VM was stopped for maintenance")

    def _stay_away(self, seconds: float) -> None:
        self._away_until = max(self._away_until, self._world.now + seconds)
        self._in_flight = 0
        self._beat_at = NEVER
        self._beat_within(0.0)


TROUBLES: Collection[Callable[[SimulatedVm], None]] = (
    SimulatedVm._dies,
    SimulatedVm._loses_its_keeper,
    SimulatedVm._reboots,
    SimulatedVm._restarts_its_agent,
    SimulatedVm._freezes,
    SimulatedVm._is_cut_off,
    SimulatedVm._is_told_to_go,
)
