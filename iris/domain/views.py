"""What the API answers to people's programs."""

from __future__ import annotations

import msgspec

from iris.domain.disk import DiskLevel
from iris.domain.fleet import BootPhase, Limits
from iris.domain.jobs import EndCause, JobSpec
from iris.domain.resources import Resources
from iris.domain.states import (
    AttemptState,
    JobState,
    SliceState,
    TaskState,
    WorkerState,
)


class Submission(msgspec.Struct, frozen=True):
    """A job to accept; the same `client_id` again gives the same job."""

    client_id: str
    spec: JobSpec
    # values of secrets by name; the others in `spec.secrets` are the cluster's
    secrets: dict[str, str] = {}


class JobView(msgspec.Struct, frozen=True):
    """A job with the counts of its tasks by state."""

    uid: str
    name: str
    user: str
    state: JobState
    submitted_at: float
    ended_at: float  # 0 while it lives
    counts: dict[TaskState, int]
    because: str  # why it stands where it stands; the cause of its end
    spec: JobSpec  # of `each` the names alone: the values stand with the tasks
    cancelled_by: str = ""
    parent: str = ""  # uid of the job that submitted it
    blamed_task: int = -1  # the one whose failure made it fail, -1 without one
    blamed_attempt: int = -1  # the attempt at it that was the cause
    gone: tuple[str, ...] = ()  # what it left and is not kept; where one job is asked
    was_there: bool = False  # the submission made no new job; said to who submits


class TaskView(msgspec.Struct, frozen=True):
    """One task."""

    job: str
    index: int
    state: TaskState
    attempts: int
    failures: int
    losses: int
    because: str
    exit_code: int | None = None
    worker_uid: str = ""
    slice_name: str = ""
    variables: dict[str, str] = {}  # those that are its own, in a sweep


class AttemptView(msgspec.Struct, frozen=True):
    """One attempt."""

    uid: str
    job: str
    task: int
    number: int
    state: AttemptState
    slice_name: str
    worker_uid: str
    worker_index: int
    assigned_at: float
    running_at: float
    ended_at: float
    exit_code: int | None
    cause: EndCause | None
    detail: str


class SliceView(msgspec.Struct, frozen=True):
    """One slice."""

    name: str
    uid: str
    group: str
    accelerator: str
    zone: str
    capacity: str
    state: SliceState
    because: str
    next_step: str  # what happens to it next, and when
    vms: int
    registered: int
    requested_at: float
    ready_at: float
    live_attempts: int


class SliceBoot(msgspec.Struct, frozen=True):
    """A slice's boot, phase by phase."""

    slice_name: str
    phases: tuple[BootPhase, ...]


class WorkerView(msgspec.Struct, frozen=True):
    """One worker."""

    uid: str
    slice_name: str
    index: int
    state: WorkerState
    draining: str
    address: str
    resources: Resources
    free: Resources
    live_attempts: int
    heard_seconds_ago: float
    nudged: bool  # do UDP nudges arrive
    limits: Limits
    version: str


class GroupView(msgspec.Struct, frozen=True):
    """One scale group as the autoscaler sees it."""

    name: str
    accelerator: str
    min_slices: int
    max_slices: int
    wanted: int
    ready: int
    coming: int
    leaving: int
    because: str
    next_at: float
    backoff: str = ""


class AutoscalerView(msgspec.Struct, frozen=True):
    """All groups, and who waits for what."""

    groups: tuple[GroupView, ...]
    waiting: dict[str, str]  # job name -> what is done about it
    next_at: float


class Obstacle(msgspec.Struct, frozen=True):
    """One reason against some candidates, as the scheduler's rules give it."""

    rule: str
    candidates: int
    example: str


class Explanation(msgspec.Struct, frozen=True):
    """Why a job stands where it stands, what happens next, what would unblock it."""

    job: str
    state: JobState
    because: str
    obstacles: tuple[Obstacle, ...] = ()
    autoscaler: str = ""
    next_step: str = ""
    next_at: float = 0.0
    unblock: str = ""


class LoopHealth(msgspec.Struct, frozen=True):
    """How one loop does."""

    name: str
    late_seconds: float
    turns: int
    errors: int
    last_error: str = ""


class DiskView(msgspec.Struct, frozen=True):
    """The controller's state disk; `because` says what follows from how full it is."""

    total_bytes: int
    free_bytes: int
    level: DiskLevel
    because: str


class Health(msgspec.Struct, frozen=True):
    """Open to all: who answers, and how late each loop is."""

    cluster: str
    cluster_uid: str
    version: str
    ok: bool
    loops: tuple[LoopHealth, ...]
    disk: DiskView | None = None


class ClusterView(msgspec.Struct, frozen=True):
    """The cluster at a glance."""

    name: str
    uid: str
    version: str
    started_at: float
    config_text: str  # the cluster file it runs, byte for byte
    draining: str
    jobs: dict[JobState, int]  # live ones
    tasks: dict[TaskState, int]  # of live jobs
    slices: dict[SliceState, int]
    workers: dict[WorkerState, int]
    disk: DiskView | None = None

    def worries(self) -> tuple[str, ...]:
        """What its operator should know."""
        if self.disk is None or self.disk.level is DiskLevel.ROOMY:
            return ()
        return (self.disk.because,)


class LogLine(msgspec.Struct, frozen=True):
    """A piece of one attempt's output; `cursor` is where the next one begins.

    Iris's own word of what is gone has -1 as task where it is of several.
    """

    cursor: int
    task: int
    attempt: int
    at: float
    content: bytes


class OutputsView(msgspec.Struct, frozen=True):
    """What one attempt left in its IRIS_OUTPUT_DIR, or why there is nothing of it."""

    job: str
    task: int
    attempt: int  # -1 where none began
    size_bytes: int  # of the packed file
    sha256: str
    files: int
    content_bytes: int  # of the files themselves
    left_out: tuple[str, ...]  # what could not be kept, each with its reason
    missing: str  # empty where there is something


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """application/problem+json."""

    code: str
    title: str
    status: int
    detail: str
    hint: str = ""
