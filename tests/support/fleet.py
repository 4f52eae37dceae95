"""A State with slices whose workers a test plays by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

from iris.clock import VirtualClock
from iris.controller.change import hash_token
from iris.controller.state import State, Tuning
from iris.domain.fleet import ScaleGroup, Slice, Worker
from iris.domain.jobs import Capacity, Job, JobSpec
from iris.domain.protocol import (
    AttemptReport,
    Heartbeat,
    HeartbeatAnswer,
    Registration,
)
from iris.domain.resources import Resources, UserLimits
from iris.domain.states import AttemptState, SliceState, TaskState
from iris.domain.views import Submission
from iris.planning.plans import (
    CapacityPlan,
    Create,
    LifecyclePlan,
    Placement,
    SchedulingPlan,
    SliceMove,
)
from iris.simulation.journal import MemoryJournal

CPU = ScaleGroup(
    name="cpu",
    accelerator="",
    vms=1,
    resources=Resources(cpus=4, memory_bytes=8_000),
    zones=("z",),
    capacity=Capacity.ON_DEMAND,
    min_slices=0,
    max_slices=2,
    priority=100,
    labels={},
    scale_down_delay=60.0,
    create_timeout=60.0,
    boot_timeout=60.0,
    delete_timeout=60.0,
)
TPU = ScaleGroup(
    name="tpu",
    accelerator="v5litepod-16",
    vms=4,
    resources=Resources(cpus=112, memory_bytes=192_000, chips=4),
    zones=("z",),
    capacity=Capacity.SPOT,
    min_slices=0,
    max_slices=2,
    priority=100,
    labels={},
    scale_down_delay=60.0,
    create_timeout=60.0,
    boot_timeout=60.0,
    delete_timeout=60.0,
)


class Fleet:
    """A State on a journal in memory; the test says what workers report."""

    def __init__(
        self,
        limits: UserLimits = UserLimits(),
        groups: tuple[ScaleGroup, ...] = (CPU, TPU),
        numbers: Iterator[int] | None = None,  # of uids, in the order of giving
    ) -> None:
        self.limits = limits
        self.groups = groups
        self.clock = VirtualClock()
        self.journal = MemoryJournal()
        self._numbers = numbers or count(1)
        self._seqs = count(1)
        self.state = self._open()

    def _open(self) -> State:
        return State(
            self.groups,
            self.journal,
            self.clock,
            Tuning("test", "uid-1", user_limits=self.limits),
            new_id=lambda prefix: f"{prefix}-{next(self._numbers):06d}",
        )

    def restart(self) -> None:
        """The controller dies and comes back from its journal."""
        self.journal.flush()
        self.state = self._open()

    def boot(self, group: ScaleGroup = CPU) -> list[Worker]:
        """Request a slice and register all of its workers, in order of index."""
        plan = CapacityPlan(creates=(Create(group.name, "z", "a test wants it"),))
        (slice_,) = self.state.commit_capacity(plan)
        request = self.state.create_request(slice_.name, "http://127.0.0.1:1")
        self.state.slice_accepted(slice_.name)
        for index, token in enumerate(request.join_tokens):
            self.register(slice_, index, token)
        with self.state.reading() as tables:
            workers = tables.slice_workers[slice_.name]
            return [workers[index] for index in range(group.vms)]

    def register(self, slice_: Slice, index: int, token: str, boot: str = "b") -> str:
        """One worker's first words; returns its uid."""
        registration = Registration(
            slice_.name, slice_.uid, index, f"{boot}{index}", "127.0.0.1", "test"
        )
        return self.state.register(registration, hash_token(token)).worker_uid

    def submit(
        self,
        tasks: int = 1,
        client_id: str = "",
        *,
        user: str = "ada",
        parent: str = "",
        **spec: object,
    ) -> Job:
        """Accept one job of `true` and return it."""
        whole = JobSpec(
            command=("true",), name=str(spec.pop("name", "job")), tasks=tasks, **spec
        )
        client_id = client_id or f"client-{next(self._numbers)}"
        (uid,) = self.state.submit([Submission(client_id, whole)], user, parent)
        with self.state.reading() as tables:
            return tables.jobs[uid]

    def place(self, job: Job, *workers: Worker, first: int = 0) -> list[str]:
        """Put the tasks of a job on workers, in order; returns the attempts' uids."""
        placement = Placement(
            job.uid,
            job.spec.gang,
            tuple((first + i, w.uid) for i, w in enumerate(workers)),
        )
        held = self.state.commit_scheduling(SchedulingPlan((placement,)))
        with self.state.reading() as tables:
            tasks = tables.tasks[job.uid]
            return [
                tasks.touched[index].attempt_uid
                for placed in held.placements
                for index, _ in placed.tasks
            ]

    def beat(
        self, worker: Worker, reports: Iterable[AttemptReport] = (), seq: int = 0
    ) -> HeartbeatAnswer:
        """One heartbeat of a worker that observes just this."""
        return self.state.heartbeat(
            Heartbeat(
                worker_uid=worker.uid,
                boot_id=worker.boot_id,
                seq=seq or next(self._seqs),
                attempts=tuple(reports),
            )
        )

    def move(self, slice_name: str, *states: SliceState) -> None:
        """Lead a slice through states, one plan each."""
        for state in states:
            move = SliceMove(slice_name, state, f"a test moves it to {state}")
            self.state.commit_lifecycle(LifecyclePlan(moves=(move,)))

    def task_state(self, job: Job, index: int = 0) -> TaskState | None:
        """The state of a task; None once its job has left memory."""
        with self.state.reading() as tables:
            tasks = tables.tasks.get(job.uid)
            return tasks.state(index) if tasks else None


def ran(uid: str) -> AttemptReport:
    """The attempt runs."""
    return AttemptReport(uid, AttemptState.RUNNING)


def ended(
    uid: str, state: AttemptState = AttemptState.SUCCEEDED, code: int = 0
) -> AttemptReport:
    """The attempt ended."""
    return AttemptReport(uid, state, exit_code=code)
