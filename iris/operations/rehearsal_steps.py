"""The steps of a rehearsal, one after the other, and what was seen on the way."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from iris.client import Client
from iris.client.admin import Resource, Strike
from iris.clock import Clock
from iris.domain.events import Event
from iris.domain.views import JobView, TaskView
from iris.errors import IrisError, Late
from iris.operations import (
    cleanup,
    cluster,
    rehearsal_faults,
    rehearsed,
    rehearsing,
    validate,
)
from iris.operations.rehearsal_boots import BootWatcher
from iris.operations.rehearsal_jobs import (
    WorkPlace,
    all_run,
    gate_file,
    place_of,
    read_runs,
    runs_folder,
    tasks_of,
    work_for,
)
from iris.operations.rehearsal_prices import prices_of
from iris.operations.rehearsal_report import Facts, Run
from iris.operations.rehearsed import Circumstances
from iris.session import Session, open_session

Say = Callable[[str], None]

LOOK = 0.1  # seconds between looks at the jobs
SETTLING = 0.5  # seconds in which a fault that struck is felt
PAGE = 1000  # events of one answer
LEAST_CLEANUP = 60.0  # seconds for it, however long the rest took
_NEVER = threading.Event()


class Life:
    """One rehearsal under way; `end` leaves nothing of it."""

    def __init__(
        self, file: Session, home: Path, say: Say, clock: Clock, *, until: float
    ) -> None:
        self._session = file
        self._home = home
        self._say = say
        self._clock = clock
        self._until = until
        self._boots = BootWatcher()
        self._staying: tuple[JobView, ...] = ()
        self._short: tuple[JobView, ...] = ()
        self._jobs: tuple[JobView, ...] = ()
        self._tasks: tuple[TaskView, ...] = ()
        self._events: list[Event] = []
        self._resources: tuple[Resource, ...] = ()
        self._strikes: tuple[Strike, ...] = ()
        self._runs: tuple[Run, ...] = ()
        self._place = WorkPlace(self._home, str(self._home))
        self._troubles: list[str] = []
        self._is_up = False
        self._hold_until = 0.0  # work runs until the last planned fault has struck

    def boot(self, wanted: Circumstances) -> None:
        """An emulator, and the cluster in it."""
        file = open_session(self._session.config_path, clock=self._clock)
        self._session = rehearsed.prepare(file, self._say, wanted)
        self._place = place_of(rehearsing.running(), self._home)
        faults = wanted.faults
        planned = rehearsal_faults.load_faults(faults) if faults else []
        self._hold_until = self._clock.now() + _last_strike(planned)
        left = max(self._until - self._clock.now(), 1.0)
        cluster.start(self._session, self._say, wait=left)
        self._session = open_session(self._session.config_path, clock=self._clock)
        self._is_up = True
        self._boots.begin(self._session)

    def validate(self) -> None:
        """Real work over every VM of a slice, where the images are real ones."""
        left = max(self._until - self._clock.now(), 1.0)
        validated = validate.validate(self._session, self._say, wait=left)
        validate.require_sound(validated)
        self._say(f"validated on {validated.tpu_type or 'plain VMs'}")

    def work(self) -> None:
        """Submit everything, and wait until all that stays runs."""
        runs_folder(self._place.outside).mkdir(parents=True)
        work = work_for(self._session.config.groups(), self._place)
        for kind in work.left_out:
            self._say(f"{kind} is too large for this machine: left out")
        with self._session.controller() as client:
            self._staying = client.submit_many(work.staying)
            self._short = client.submit_many(work.short)
            for job in (*self._staying, *self._short):
                self._say(f"job {job.name} submitted: {job.spec.tasks} tasks")
            self._wait_for_runs(client, self._staying)

    def lose_a_slice(self, seed: int) -> None:
        """The cloud takes a slice whose work runs; the work begins again."""
        chance = random.Random(seed)
        victim = chance.choice(self._staying)
        self._clock.wait(_NEVER, chance.uniform(0.0, 0.5))
        with self._session.controller() as client:
            task = tasks_of(client, [victim])[0]
            before = task.attempts
            zone = next(s.zone for s in client.slices() if s.name == task.slice_name)
            fault = {"kind": "preemption", "name": task.slice_name, "zone": zone}
            rehearsal_faults.inject(rehearsing.running(), [fault])
            self._say(f"slice {task.slice_name} is taken while {victim.name} runs")
            self._wait_for_runs(client, [victim], before + 1)
        self._say(f"job {victim.name} runs again")

    def finish_work(self) -> None:
        """Let what stays come to its end, and see that all succeeded."""
        self._clock.wait(_NEVER, max(self._hold_until - self._clock.now(), 0.0))
        gate_file(self._place.outside).touch()
        with self._session.controller() as client:
            for job in (*self._staying, *self._short):
                left = max(self._until - self._clock.now(), 1.0)
                ended = client.wait_for_job(job.uid, left)
                self._say(f"job {ended.name} {ended.state}")

    def look_back(self) -> None:
        """Ask the controller for all that happened, while it is there."""
        if not self._is_up:
            return
        try:
            self._boots.end()
            with self._session.controller(patience=10.0) as client:
                jobs = (*self._staying, *self._short)
                self._jobs = tuple(client.job(job.uid) for job in jobs)
                self._tasks = tasks_of(client, self._jobs)
                while page := client.events(self._last_seq(), limit=PAGE):
                    self._events += page
        except IrisError as error:
            self.note_trouble(error)

    def clean_up(self) -> None:
        """Delete it all, as a person would."""
        if self._session.record is None:
            return
        left = max(self._until - self._clock.now(), LEAST_CLEANUP)
        try:
            cleanup.cleanup(self._session, self._say, wait=left)
        except IrisError as error:
            self.note_trouble(error)

    def end(self) -> None:
        """Whatever became of it: nothing that it started goes on."""
        self._boots.end()
        with suppress(IrisError):
            rehearsed.close_tunnel(self._session.cluster)
        emulator = rehearsing.find()
        if emulator is not None:
            self._runs = read_runs(self._place.outside)
            with suppress(IrisError):
                self._resources = emulator.admin.ledger()
                self._strikes = emulator.admin.struck()
        try:
            rehearsing.stop(self._say, self._clock)
        except IrisError as error:
            self.note_trouble(error)

    def note_trouble(self, error: IrisError) -> None:
        """A step fell short; the report says so."""
        self._say(f"trouble: {error}")
        self._troubles.append(str(error))

    def facts(self, began: float, seed: int) -> Facts:
        """All that is known by now."""
        return Facts(
            cluster=self._session.cluster,
            config_path=self._session.config_path,
            seed=seed,
            began=began,
            ended=self._clock.now(),
            resources=self._resources,
            strikes=self._strikes,
            events=tuple(self._events),
            phases=self._boots.seen(),
            jobs=self._jobs,
            tasks=self._tasks,
            runs=self._runs,
            prices=prices_of(self._resources),
            troubles=tuple(self._troubles),
        )

    def _wait_for_runs(
        self, client: Client, jobs: tuple[JobView, ...] | list[JobView], tries: int = 1
    ) -> None:
        """Until all tasks run, on that attempt at least. Raises Late."""
        while True:
            tasks = tasks_of(client, jobs)
            if all_run(tasks) and all(task.attempts >= tries for task in tasks):
                return
            if self._clock.now() > self._until:
                waiting = next(t for t in tasks if t.attempts < tries or t.because)
                why = client.why(waiting.job).because
                raise Late(f"job {waiting.job} does not run in time: {why}")
            self._clock.wait(_NEVER, LOOK)

    def _last_seq(self) -> int:
        return self._events[-1].seq if self._events else 0


def _last_strike(faults: list[dict[str, Any]]) -> float:
    """Seconds until every fault that has its time has struck."""
    times = [float(f.get("after", 0)) + float(f.get("notice", 0)) for f in faults]
    return max(times, default=0.0) + SETTLING
