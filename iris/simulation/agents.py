"""A model of a worker: it speaks the real protocol and carries attempts out.

Keeper and agent are one thing here, save that an agent may freeze or start anew
while what the keeper started runs on.
"""

from __future__ import annotations

from collections.abc import Callable

from iris.domain.jobs import EndCause
from iris.domain.protocol import (
    AttemptSpec,
    Desired,
    Heartbeat,
    HeartbeatAnswer,
    Registered,
)
from iris.domain.resources import Resources
from iris.domain.states import AttemptState
from iris.errors import NotThere, Unreachable
from iris.simulation.line import Surroundings
from iris.simulation.runs import Fate, Run
from iris.simulation.world import MINUTE

TIMEOUT = 10.0  # seconds until the agent gives a heartbeat up
NEVER = float("inf")


class SimulatedAgent:
    """What of ours runs on one VM, from its registration to the VM's end."""

    def __init__(
        self,
        around: Surroundings,
        name: str,
        resources: Resources,
        tell_siblings: Callable[[AttemptSpec], None],
    ) -> None:
        self.is_on = True
        self.boot_id = ""
        self.notice = ""  # the machine is about to go
        self.is_ending = False  # its keeper was told to end
        self._around = around
        self._world, self._weather = around.world, around.weather
        self._name = name
        self._resources = resources
        self._tell_siblings = tell_siblings
        self._uid = ""  # of the worker, once it is registered
        self._runs: dict[str, Run] = {}
        self._seq = 0
        self._interval = 10.0
        self._goes_at = 0.0  # when the machine will be gone, by its notice
        self._away_until = 0.0  # frozen, cut off or rebooting: no words till then
        self._beat_at = NEVER
        self._in_flight = 0  # seq of the heartbeat that is on its way, 0 if none

    def join(self, registered: Registered) -> None:
        """It has a name now, and speaks from here on."""
        self._uid, self._interval = registered.worker_uid, registered.interval
        self._around.line.learn(self._uid, lambda: self.beat_within(0.02))
        self.beat_within(0.0)

    def stay_away(self, seconds: float) -> None:
        """No word leaves it and none arrives; what runs runs on."""
        self._away_until = max(self._away_until, self._world.now + seconds)
        self._in_flight = 0
        self._beat_at = NEVER
        self.beat_within(0.0)

    def return_now(self) -> None:
        """Whatever keeps it from speaking is over."""
        if self.is_on and self._away_until > self._world.now:
            self._away_until = self._world.now
            self.beat_within(1.0)

    def take_notice(self, notice: str, seconds: float) -> None:
        """The machine is about to go: what runs is told by when."""
        self.notice, self._goes_at = notice, self._world.now + seconds
        cause = EndCause.PREEMPTED
        for run in list(self._runs.values()):
            self._stop(run, Desired(run.uid, "stop", cause=cause, grace=seconds))
        self.beat_within(0.0)

    def wind_up(self) -> None:
        """Its keeper was told to end: all that runs ends, and how is told."""
        self.is_ending = True
        for run in list(self._runs.values()):
            run.is_stopping, run.ends_as = True, EndCause.WORKER_LOST
            self._stopped(run)

    def end_all_runs(self) -> None:
        """All that it started is dead, and forgotten with it."""
        runs, self._runs = self._runs, {}
        for run in runs.values():
            if run.is_live and run.spec is not None:
                self._around.truth.end(run.spec)
                self._tell_siblings(run.spec)

    def lose_sibling(self, spec: AttemptSpec) -> None:
        """A member of the same gang start ended badly."""
        for run in list(self._runs.values()):
            mine = run.spec
            if mine is None or not self._is_current(run):
                continue
            is_same = (mine.job_uid, mine.number) == (spec.job_uid, spec.number)
            if is_same and run.state is AttemptState.RUNNING:
                self._finish(run, *run.bad_end(1, EndCause.EXITED))

    # -- heartbeats ------------------------------------------------------------------

    def beat_within(self, seconds: float) -> None:
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
            self.beat_within(0.0)
            return
        self._seq += 1
        heartbeat = Heartbeat(
            worker_uid=self._uid,
            boot_id=self.boot_id,
            seq=self._seq,
            attempts=tuple(run.report() for run in self._runs.values()),
            notice=self.notice,
            goes_in=max(self._goes_at - self._world.now, 0.0),
            is_ending=self.is_ending,
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
            self.beat_within(0.1)

    def _deliver(self, heartbeat: Heartbeat, is_heard: bool = True) -> None:
        """The request arrives; `is_heard`: somebody may wait for the answer."""
        try:
            answer = self._around.line.heartbeat(heartbeat)
        except Unreachable:
            if is_heard and self._in_flight == heartbeat.seq:
                self._in_flight = 0
                self.beat_within(TIMEOUT)
            return
        except NotThere:
            if is_heard and self.is_on:
                self._world.tell(f"vm {self._name} is not known any more")
                self.end_all_runs()
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
        runs = self._runs.items()
        is_news = any(reported.get(uid) is not run.state for uid, run in runs)
        self.beat_within(0.0 if is_news else self._interval)

    # -- reconciling -----------------------------------------------------------------

    def _obey(self, desired: Desired) -> None:
        run = self._runs.get(desired.uid)
        if desired.want == "stop":
            if run is None:
                run = self._runs[desired.uid] = Run(desired.uid, None)
                self._finish(run, AttemptState.CANCELLED, None, EndCause.STOPPED)
            self._stop(run, desired)
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
            self._stop(run, Desired(uid, "stop"))
        else:
            del self._runs[uid]

    def _begin(self, spec: AttemptSpec) -> None:
        if self.is_ending:
            return  # it is begun after the next boot
        run = self._runs[spec.uid] = Run(spec.uid, spec)
        if self.notice:
            self._finish(run, AttemptState.LOST, None, EndCause.PREEMPTED)
            return
        run.may_start = not spec.gang
        self._around.truth.take(spec, self._resources)
        if self._weather.strikes(self._weather.faults.prepare_hangs):
            self._world.tell(f"vm {self._name} never prepares {spec.uid}")
            return
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
        self.beat_within(0.0)

    def _start(self, run: Run) -> None:
        if run.spec is None:
            return
        run.state = AttemptState.RUNNING
        self._around.truth.start(run.spec)
        fate = self._around.fate_of(run.spec)
        self._world.after(fate.run_seconds, lambda: self._exit(run, fate))

    def _exit(self, run: Run, fate: Fate) -> None:
        """The program ends by itself."""
        if not self._is_current(run) or run.is_unkillable or run.spec is None:
            return
        task = (run.spec.job_uid, run.spec.task_index)
        if fate.exit_code == 0:
            self._around.truth.succeeded.add(task)
            self._finish(run, AttemptState.SUCCEEDED, 0, EndCause.EXITED)
            return
        end = run.bad_end(fate.exit_code, fate.cause)
        self._around.truth.failures[task] += end[0] is AttemptState.FAILED
        self._finish(run, *end)
        self._tell_siblings(run.spec)

    def _stop(self, run: Run, desired: Desired) -> None:
        if not run.heeds(desired, self._world.now):
            return
        if self._weather.strikes(self._weather.faults.stop_ignored):
            self._world.tell(f"vm {self._name} cannot end {run.uid}")
            run.is_unkillable = True
            return
        seconds = run.ends_in(self._weather, self._world.now)
        self._world.after(seconds, lambda: self._stopped(run))

    def _stopped(self, run: Run) -> None:
        if not self._is_current(run) or run.is_unkillable:
            return
        was_running = run.state is AttemptState.RUNNING
        self._finish(run, *run.end_when_stopped())
        if was_running and run.is_leaving and run.spec is not None:
            self._tell_siblings(run.spec)

    def _finish(
        self, run: Run, state: AttemptState, exit_code: int | None, cause: EndCause
    ) -> None:
        run.state, run.exit_code, run.cause = state, exit_code, cause
        if run.spec is not None:
            self._around.truth.end(run.spec)
        self.beat_within(0.0)

    def _is_current(self, run: Run) -> bool:
        return self.is_on and run.is_live and self._runs.get(run.uid) is run
