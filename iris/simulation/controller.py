"""The real State and loops in virtual time, from one crash to the next."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeVar

from msgspec.structs import replace

from iris.controller.asking import Pace
from iris.controller.autoscaling import Autoscaling
from iris.controller.change import Changed
from iris.controller.ordering import in_order
from iris.controller.scheduling import Scheduling
from iris.controller.state import State, Tuning
from iris.domain.protocol import (
    Heartbeat,
    HeartbeatAnswer,
    Registered,
    Registration,
)
from iris.domain.states import ATTEMPT_ENDED
from iris.domain.views import Submission
from iris.errors import Unreachable
from iris.simulation.calls import SimulatedCalls
from iris.simulation.cloud import SimulatedCloud
from iris.simulation.faults import Weather
from iris.simulation.fleet import GROUPS, LIMITS
from iris.simulation.journal import MemoryJournal
from iris.simulation.looks import drain_some, event_words, find_stuck
from iris.simulation.loops import VirtualLoop
from iris.simulation.world import World

# Slower than in production, so that a quiet day has few events; see tests for why
# this hides nothing: every deadline of the planning is longer still.
TUNING = Tuning(
    "sim",
    "uid-sim",
    shortest_interval=30.0,
    longest_interval=30.0,
    user_limits=LIMITS,
)
PACE = Pace(
    evaluation_interval=60.0,
    listing_interval=45.0,
    eager_interval=15.0,
    suspect_after=45.0,
    lost_after=90.0,
    stalled_after=20.0,
)
# Seconds from a change to the turn that it wakes: what changes meanwhile shares it.
WAKE_DELAYS = {"scheduler": 0.5, "autoscaler": 4.0}
_T = TypeVar("_T")
LONGEST_COMMIT = 20.0  # seconds; nobody waits for it
URL = "http://10.0.0.1:10000"


class Crash(BaseException):
    """The controller dies here; no `except Exception` may survive it."""


class SimulatedController:
    """Serves workers and people while it is up; comes back after each crash."""

    def __init__(self, world: World, weather: Weather, cloud: SimulatedCloud) -> None:
        self.journal = MemoryJournal(self._fuse)
        self.crashes = 0
        self.state: State | None = None
        self.world = world
        self._weather = weather
        self._cloud = cloud
        self._ids = world.chance("ids")
        self._quickness = world.chance("quickness")
        self._fuse_left = 0  # steps until it crashes in the middle of something
        self._stalled_until = 0.0
        self._up_since = 0.0
        self._life = 0
        self._calls: SimulatedCalls | None = None
        self._loops: dict[str, VirtualLoop] = {}
        self._nudges: dict[str, Callable[[], None]] = {}

    def start(self) -> None:
        """Restore from the journal, then let the loops turn."""
        self._life += 1
        self._up_since = self.world.now
        self.state = State(
            GROUPS, self.journal, self.world.clock, TUNING, new_id=self._new_id
        )
        self._calls = SimulatedCalls(
            self.world, self._weather, lambda: self._wake("autoscaler"), self._fuse
        )
        scheduling = Scheduling(self.state, self.world.clock)
        autoscaling = Autoscaling(
            self.state,
            self._cloud,
            self._calls,
            self.world.clock,
            controller_url=URL,
            pace=PACE,
        )
        turns = {
            "scheduler": scheduling.schedule_once,
            "autoscaler": autoscaling.autoscale_once,
        }
        self._loops = {
            name: VirtualLoop(self, self.world, name, once)
            for name, once in turns.items()
        }
        self.state.listen(self._changed)
        self.world.tell(f"controller is up at seq {self.state.seq}")
        for name in self._loops:
            self._wake(name)

    def begin_trouble(self) -> None:
        """From now on it crashes and stalls now and then."""
        faults = self._weather.faults
        self.world.after(self._weather.gap(faults.crash_gap), self._meet_a_crash)
        self.world.after(self._weather.gap(faults.stall_gap), self._stall)

    @property
    def is_answering(self) -> bool:
        return self.state is not None and self.world.now >= self._stalled_until

    @property
    def up_for(self) -> float:
        """Seconds since it last came up, or woke from a stall."""
        return self.world.now - max(self._up_since, self._stalled_until)

    @property
    def life(self) -> int:
        """How often it was started."""
        return self._life

    # -- workers and people ------------------------------------------------------------

    def register(self, registration: Registration, token_hash: str) -> Registered:
        return self._serve(lambda state: state.register(registration, token_hash))

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        def settle() -> None:
            # the scheduler may be as quick as the commit of these ends
            if has_room and self.state is not None:
                self.state.wait_durable()
                if self._quickness.random() < 0.5:
                    Scheduling(self.state, self.world.clock).schedule_once()

        has_room = any(r.state in ATTEMPT_ENDED for r in heartbeat.attempts)
        return self._serve(lambda state: state.heartbeat(heartbeat, settle))

    def learn(self, worker_uid: str, beat_now: Callable[[], None]) -> None:
        self._nudges[worker_uid] = beat_now

    def submit(self, submission: Submission, user: str, parent: str = "") -> str:
        return self._serve(
            lambda state: state.submit([self._ordered(state, submission)], user, parent)
        )[0]

    def _ordered(self, state: State, submission: Submission) -> Submission:
        with state.reading() as tables:
            if submission.client_id in tables.client_ids:
                return submission
        return replace(submission, spec=in_order(submission.spec, self.journal.job))

    def cancel(self, job_uid: str, by: str) -> None:
        self._serve(lambda state: state.cancel_job(job_uid, by))

    def drain_some_worker(self, chance: Random) -> str:
        return self._serve(lambda state: drain_some(state, chance))

    def drain_cluster(self, by: str) -> None:
        self._serve(lambda state: state.drain_cluster(by))

    def resume_cluster(self, by: str) -> None:
        self._serve(lambda state: state.resume_cluster(by))

    def stuck_slices(self) -> list[str]:
        return self._serve(lambda state: find_stuck(state, self.world.now))

    def confirm_gone(self, slice_name: str, by: str) -> None:
        self._serve(lambda state: state.confirm_gone(slice_name, by))

    def live_jobs(self) -> int:
        if self.state is None:
            return 0
        with self.state.reading() as tables:
            return len(tables.jobs)

    def _serve(self, ask: Callable[[State], _T]) -> _T:
        """One request; its answer leaves once all that it shows is durable."""
        if self.state is None or not self.is_answering:
            raise Unreachable("the controller does not answer")
        try:
            answer = ask(self.state)
            self.state.wait_durable()
        except Crash as crash:
            self._crash(str(crash))
            raise Unreachable("the controller went away") from crash
        return answer

    # -- loops -----------------------------------------------------------------------

    def _changed(self, changed: Changed) -> None:
        for event in changed.events:
            self.world.tell(event_words(event))
        # only an answer or a call makes it durable at once; these may wait long
        seconds = self._weather.between(0.0, LONGEST_COMMIT)
        self.world.after(seconds, self._flush_of(self._life))
        answering = self.state.answering if self.state is not None else set()
        for uid in sorted(changed.workers - answering):
            nudge = self._nudges.get(uid)
            if nudge is not None and not self._weather.strikes(0.05):
                nudge()
        for name in self._loops:
            self._wake(name)

    def _flush_of(self, life: int) -> Callable[[], None]:
        def flush() -> None:
            if life == self._life:
                self.journal.flush()

        return flush

    def _wake(self, name: str) -> None:
        loop = self._loops.get(name)
        if loop is not None:
            loop.due(self.world.now + WAKE_DELAYS[name])

    def turn(self, once: Callable[[], float]) -> float | None:
        """One turn of a loop; None if the controller died in it."""
        if not self.is_answering:
            return self._stalled_until
        try:
            return once()
        except Crash as crash:
            self._crash(str(crash))
            return None

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}-{self._ids.getrandbits(48):012x}"

    # -- trouble -----------------------------------------------------------------------

    def _meet_a_crash(self) -> None:
        if self.world.is_quiet:
            return
        if self._weather.strikes(0.3):
            self._crash("kill -9")
        else:
            # it dies in the middle of what it does next, at any line
            self._fuse_left = self._weather.chance.randrange(1, 30)
        gap = self._weather.gap(self._weather.faults.crash_gap)
        self.world.after(gap, self._meet_a_crash)

    def _fuse(self, where: str) -> None:
        if self._fuse_left and not self.world.is_quiet:
            self._fuse_left -= 1
            if not self._fuse_left:
                raise Crash(where)

    def _crash(self, where: str) -> None:
        if self.state is None:
            return
        self.crashes += 1
        self.state = None
        self._life += 1
        self._loops = {}
        if self._calls is not None:
            self._calls.die()
        # the last commit may have reached the disk, in part, unseen
        survivors = self._weather.chance.choice((0, 0, 1, 3))
        forgotten = self.journal.crash(survivors)
        down = self._weather.chance.choice((1.0, 5.0, 20.0, 300.0, 1800.0))
        self.world.tell(f"controller crashes {where}, {forgotten} changes forgotten")
        self.world.after(down, self.start)

    def _stall(self) -> None:
        if self.world.is_quiet:
            return
        seconds = self._weather.between(5.0, 300.0)
        self._stalled_until = self.world.now + seconds
        self.world.tell(f"controller stands still for {seconds:.0f} s")
        gap = self._weather.gap(self._weather.faults.stall_gap)
        self.world.after(gap, self._stall)
