"""The promises of Iris, looked after while the simulation runs."""

from __future__ import annotations

from collections import Counter

from iris.controller.state import State
from iris.controller.tables import Tables
from iris.domain.jobs import Job, Task
from iris.domain.resources import NOTHING
from iris.domain.states import JobState, SliceState, TaskState
from iris.planning.autoscaler import plan_capacity
from iris.planning.explain import explain_job, next_step
from iris.planning.scheduler import plan_assignments
from iris.planning.snapshot import PendingJob, Snapshot
from iris.simulation.cloud import SimulatedCloud
from iris.simulation.controller import SimulatedController
from iris.simulation.sharing import Sharing
from iris.simulation.truth import BrokenPromise, Truth
from iris.simulation.world import MINUTE, World

# An unowned slice is deleted after the planning's grace; to that come a stale or
# missing listing, calls that fail, and the time in which the controller was down.
UNOWNED_FOR = 20 * MINUTE
# A reason costs as much as a plan: after each step one job that waits is explained,
# another each time, and all of them this often.
REASONS_EVERY = 10 * MINUTE
MOST_EXPLAINED = 20
IDLE = 10.0  # seconds; longer than any wake of a loop takes here
NO_SUSPICION = (-1, 0.0, "")  # seq, until when it may last, what is left undone
EPSILON = 1e-6  # of a CPU


class Promises:
    """Raises BrokenPromise with what was seen."""

    def __init__(
        self,
        world: World,
        truth: Truth,
        cloud: SimulatedCloud,
        controller: SimulatedController,
    ) -> None:
        self._world = world
        self._truth = truth
        self._cloud = cloud
        self._controller = controller
        self._sharing = Sharing(truth, controller)
        self._seen_seq = -1
        self._suspicion = NO_SUSPICION
        self._seen_life = 0
        self._leave_by: dict[str, float] = {}  # attempt uid -> as it was told last
        # name and creation -> controller's uptime by then: a name may come again
        self._unowned: dict[tuple[str, float], float] = {}
        self._uptime = 0.0
        self._looked_at = world.now
        self._reasons_at = world.now + REASONS_EVERY

    def check(self) -> None:
        """Whatever may have been broken by the last step; nothing if nothing moved."""
        state = self._controller.state
        now = self._world.now
        if self._controller.is_answering:
            self._uptime += now - self._looked_at
        self._looked_at = now
        if state is None:
            return
        if state.seq != self._seen_seq:
            self._seen_seq = state.seq
            with state.reading() as tables:
                self._check_jobs(tables)
                self._check_bounds(tables)
                self._check_owners(tables)
                self._check_slices(tables)
                self._check_departures(tables)
                self._sharing.check(tables)
                next_in_line = _one_that_waits(tables, state.seq, now)
            if next_in_line is not None:
                self._check_reason(state.snapshot(), next_in_line)
        if now >= self._reasons_at:
            self._reasons_at = now + REASONS_EVERY
            self._check_reasons(state)
            self._suspect_delay(state)
        elif self._suspicion is not NO_SUSPICION:
            self._check_delay(state)

    def check_end(self) -> None:
        """After the quiet tail: all that was accepted ended as it should."""
        for uid in sorted(self._truth.accepted):
            self._check_outcome(self._controller.journal.row("jobs", uid))

    def is_all_over(self) -> bool:
        """Has every job ended?"""
        state = self._controller.state
        if state is None:
            return False
        with state.reading() as tables:
            return not tables.jobs

    def what_lives(self) -> str:
        """The jobs that have not ended, for a message."""
        state = self._controller.state
        if state is None:
            return "the controller is down"
        with state.reading() as tables:
            waiting = dict(tables.waiting)
            return "; ".join(
                f"{job.name} {tables.tasks[uid].counts()} {waiting.get(uid, '')}"
                for uid, job in tables.jobs.items()
            )

    def is_all_given_back(self) -> bool:
        """Is nothing left but the slices that the bounds ask for?"""
        state = self._controller.state
        if state is None:
            return False
        with state.reading() as tables:
            names = set(tables.slices)
            least = sum(group.min_slices for group in tables.groups.values())
        return names == set(self._cloud.resources) and len(names) <= least

    def what_is_left(self) -> str:
        """Rows and resources, for a message."""
        state = self._controller.state
        rows = {}
        if state is not None:
            with state.reading() as tables:
                rows = {s.name: str(s.state) for s in tables.slices.values()}
        real = {r.name: str(r.phase) for r in self._cloud.resources.values()}
        return f"rows {rows}, resources {real}"

    # -- each promise ----------------------------------------------------------------

    def _check_jobs(self, tables: Tables) -> None:
        """No accepted job is lost: it lives, or its end is written down."""
        if self._controller.life != self._seen_life:
            self._seen_life = self._controller.life
            self._truth.open = set(self._truth.accepted)
        for uid in sorted(self._truth.open.difference(tables.jobs)):
            job = self._job(uid)
            if not job.ended_at:
                raise BrokenPromise(f"accepted job {job.name} is not live any more")
            self._truth.open.discard(uid)

    def _job(self, uid: str) -> Job:
        try:
            job: Job = self._controller.journal.row("jobs", uid)
        except KeyError:
            raise BrokenPromise(f"accepted job {uid} is lost") from None
        return job

    def _check_bounds(self, tables: Tables) -> None:
        rows = Counter(each.group for each in tables.slices.values())
        real = Counter(
            each.group.name
            for each in self._cloud.resources.values()
            if each.name in tables.slices and not each.deletion_asked_at
        )
        for group in tables.groups.values():
            most = max(rows[group.name], real[group.name])
            if most > group.max_slices:
                raise BrokenPromise(f"{group.name} has {most} of {group.max_slices}")
        for worker in tables.workers.values():
            live = tables.live_of_worker(worker.uid).values()
            free = worker.resources - sum((a.resources for a in live), NOTHING)
            if tables.free_on(worker) != free:  # it remembers what it computed
                raise BrokenPromise(f"worker {worker.uid} has {free} free, unnoticed")
            if min(free.cpus, free.memory_bytes, free.chips) < -EPSILON:
                raise BrokenPromise(f"worker {worker.uid} is promised {free} too often")

    def _check_owners(self, tables: Tables) -> None:
        """What exists without a row is deleted soon."""
        unowned = {
            (each.name, each.created_at)
            for each in self._cloud.resources.values()
            if each.name not in tables.slices and not each.deletion_asked_at
        }
        self._unowned = {
            each: self._unowned.get(each, self._uptime) for each in sorted(unowned)
        }
        for (name, _), since in self._unowned.items():
            if self._uptime - since > UNOWNED_FOR:
                raise BrokenPromise(f"nobody owns {name}, and nobody deletes it")

    def _check_slices(self, tables: Tables) -> None:
        for row in tables.slices.values():
            step = next_step(row, tables.groups.get(row.group), self._world.now)
            if not row.because or not step:
                raise BrokenPromise(f"slice {row.name} is {row.state} without a reason")

    def _check_departures(self, tables: Tables) -> None:
        """Who is told to leave leaves a slice that goes, and never later than told."""
        leaving = [a for a in tables.stopping.values() if a.stop_cause is not None]
        for attempt in leaving:
            row = tables.slices.get(attempt.slice_name)
            if row is not None and row.state is SliceState.READY:
                raise BrokenPromise(
                    f"{attempt.uid} is to leave {row.name}, which stays"
                )
            told = self._leave_by.get(attempt.uid, attempt.stop_by)
            if attempt.stop_by > told:
                raise BrokenPromise(f"{attempt.uid} may stay longer than it was told")
        self._leave_by = {each.uid: each.stop_by for each in leaving}

    def _check_reasons(self, state: State) -> None:
        snapshot = state.snapshot()
        for pending in snapshot.pending[:MOST_EXPLAINED]:
            self._check_reason(snapshot, pending)

    def _check_reason(self, snapshot: Snapshot, pending: PendingJob) -> None:
        told = explain_job(snapshot, pending, self._world.now)
        if not told.because or not told.next_step:
            raise BrokenPromise(f"nobody says why {pending.job.name} waits: {told}")

    def _suspect_delay(self, state: State) -> None:
        """Is something left for later that could be done at once?"""
        snapshot, now = state.snapshot(), self._world.now
        with state.reading() as tables:
            ending = set(tables.ending)  # what is placed there begins once it is back
        undone: list[object] = [
            each
            for each in plan_assignments(snapshot, now).placements
            if not ending.intersection(worker_uid for _, worker_uid in each.tasks)
        ]
        undone += plan_capacity(snapshot, now).creates
        if undone:
            self._suspicion = (state.seq, now + IDLE, str(undone[0]))

    def _check_delay(self, state: State) -> None:
        """What could be done is done a moment later."""
        seq, until, what = self._suspicion
        if seq != state.seq or self._controller.up_for < IDLE:
            self._suspicion = NO_SUSPICION
        elif self._world.now > until:
            raise BrokenPromise(f"nobody does it: {what}")

    # -- how each job ended ------------------------------------------------------------

    def _check_outcome(self, job: Job) -> None:
        if not job.ended_at:
            raise BrokenPromise(f"job {job.name} never ended")
        self._sharing.check_end(job)
        indexes = range(job.spec.tasks)
        rows = [task for index in indexes if (task := self._task(job.uid, index))]
        charged = self._check_charges(job, rows)
        if job.final_state is JobState.SUCCEEDED:
            if any((job.uid, index) not in self._truth.succeeded for index in indexes):
                raise BrokenPromise(f"job {job.name} counts as done, and is not")
        elif job.final_state is JobState.FAILED:
            self._check_failure(job, rows, charged)
        elif not job.cancelled_by:
            raise BrokenPromise(f"job {job.name} is {job.final_state}, unasked")

    def _check_charges(self, job: Job, rows: list[Task]) -> list[int]:
        """Only the user's own failures are charged; returns the charges."""
        genuine = [self._truth.failures[job.uid, i] for i in range(job.spec.tasks)]
        charged = [0] * job.spec.tasks
        for row in rows:
            charged[row.index] = row.failures
        if job.spec.gang:
            genuine, charged = [sum(genuine)], [sum(charged)]
        if any(c > g for c, g in zip(charged, genuine, strict=True)):
            raise BrokenPromise(
                f"job {job.name} is charged {charged} failures of {genuine}"
            )
        return charged

    def _check_failure(self, job: Job, rows: list[Task], charged: list[int]) -> None:
        failed = [row for row in rows if row.state is TaskState.FAILED]
        is_charged = max(charged) > job.spec.max_retries
        is_unlucky = any(row.losses > job.spec.max_losses for row in failed)
        if not is_charged and not is_unlucky:
            raise BrokenPromise(f"job {job.name} failed within its budget: {failed}")

    def _task(self, job_uid: str, index: int) -> Task | None:
        try:
            task: Task = self._controller.journal.row("tasks", job_uid, index)
        except KeyError:
            return None  # it was never touched
        return task


def _one_that_waits(tables: Tables, turn: int, now: float) -> PendingJob | None:
    uids = list(tables.tasks)
    return tables.tasks[uids[turn % len(uids)]].pending(now) if uids else None
