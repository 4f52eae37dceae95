"""Jobs, their tasks, and the attempts at them."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from iris.domain.resources import NOTHING, Resources
from iris.domain.states import AttemptState, JobState, TaskState

SHORTEST_SETUP = 0.1  # seconds
LONGEST_SETUP = 1500.0  # seconds; what has not started in 1800 is stopped anyway
LONGEST_GRACE = 3600.0  # seconds between the stop signal and SIGKILL
LONGEST_STAY = 86400.0  # seconds that the place of a failed attempt is kept
LONGEST_RUN = 366 * 86400.0  # seconds


class Band(StrEnum):
    """Priority bands, the first served first; within one it is first come."""

    PRODUCTION = "production"
    INTERACTIVE = "interactive"
    BATCH = "batch"


class Capacity(StrEnum):
    """How the cloud sells a slice."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    RESERVED = "reserved"
    QUEUED = "queued"


class Constraints(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a task may run; an empty field allows everything."""

    accelerator: str = ""
    zones: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    capacity: Capacity | None = None
    labels: dict[str, str] = {}
    alone: bool = False  # nothing else beside it; never a user's (see Task.goes_alone)


class AfterEnd(StrEnum):
    """Which end of another job lets this one begin."""

    SUCCESS = "success"
    ANY = "any"


class After(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job that has to end first."""

    job: str  # name or uid, as its user knows it
    on: AfterEnd = AfterEnd.SUCCESS
    uid: str = ""  # the controller fills it in


class SameName(StrEnum):
    """What becomes of a job where one that was asked for by the same name is live."""

    NUMBER = "number"  # both run, the later with a number
    REFUSE = "refuse"
    KEEP = "keep"  # the live one is the answer
    REPLACE = "replace"  # the live one is cancelled


class JobSpec(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a user asks for; `resources` are those of one task."""

    command: tuple[str, ...]
    name: str = ""
    tasks: int = 1
    resources: Resources = NOTHING
    constraints: Constraints = Constraints()
    band: Band = Band.INTERACTIVE
    env: dict[str, str] = {}
    bundle: str = ""  # SHA-256 of the bundle, empty without one
    max_retries: int = 0  # failures of the user's that are tried again
    max_losses: int = 100  # losses (never the user's) that are tried again
    run_timeout: float = 0.0  # seconds an attempt may run, 0 without limit
    scheduling_timeout: float = 0.0  # seconds it may wait for its first start, 0 ever
    stop_grace: float = 10.0  # seconds between the stop signal and SIGKILL
    signal: str = "SIGTERM"  # what an attempt hears when it is to end
    checkpoint_dir: str = ""  # a path or URL, the same for all attempts of the job
    gang: bool = False  # tasks start together, on all the workers of one slice
    image: str = ""  # of its containers, where the runtime is docker; else the worker's
    # variables that differ by task: name -> its value in each task, in order
    each: dict[str, tuple[str, ...]] = {}
    after: tuple[After, ...] = ()  # jobs that have to end before this one begins
    same_name: SameName = SameName.NUMBER
    disk_bytes: int = 0  # on its VM, promised when an attempt is prepared
    setup: str = ""  # a line for the shell, run once per VM before the first attempt
    setup_timeout: float = 1200.0  # seconds it may take
    secrets: tuple[str, ...] = ()  # variables whose values are in no row
    secrets_key: str = ""  # of those that came with the job; the controller's
    keep_on_failure: float = 0.0  # seconds that a failed attempt's place is kept
    hold: float = 0.0  # seconds that its command only holds the slice, for visitors

    def env_of(self, index: int) -> dict[str, str]:
        """All of the user's variables in one task; its own go before the job's."""
        return self.env | self.variables_of(index)

    def variables_of(self, index: int) -> dict[str, str]:
        """The variables that are the task's own."""
        return {name: values[index] for name, values in self.each.items()}


# What a field of the spec is called as a flag and in a job file, where that differs.
_KEYS = {
    "band": "priority",
    "constraints": "tpu, zone or capacity",
    "constraints.zones": "zone",
    "disk_bytes": "disk",
    "gang": "tpu",
    "resources": "tpu, cpu or memory",
    "resources.chips": "tpu",
    "resources.cpus": "cpu",
    "resources.memory_bytes": "memory",
    "secrets": "secret",
}


def key_of(field: str) -> str:
    """The key of a job file that says what a field of the spec is."""
    return _KEYS.get(field, field)


# What may be asked for as the signal of a job; the program decides what it means.
STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


class Owner(msgspec.Struct, frozen=True):
    """Whose a job is: a person's, and the child of another job if that submitted it."""

    user: str
    parent: str = ""  # uid of the job


class Job(msgspec.Struct, frozen=True, gc=False):
    """An accepted job; its state follows from its tasks until it has ended."""

    uid: str
    spec: JobSpec  # with its final, unique name
    user: str
    client_id: str
    submitted_at: float
    order: int  # place in the line of submissions
    cancelled_by: str = ""  # who or what asked for its end, empty if nothing did
    is_late: bool = False  # it did not start in time: that is a failure
    ended_at: float = 0.0
    final_state: JobState | None = None
    because: str = ""  # what made its first task fail, or who ended it
    parent: str = ""  # uid of the job that submitted it, with which it ends
    asked_name: str = ""  # without the number that made it unique
    waits_for: tuple[After, ...] = ()  # those of `after` that have not ended
    released_at: float = 0.0  # when the last of them ended, 0 without any
    blamed_task: int = -1  # whose failure it was, -1 if nobody's
    blamed_attempt: int = -1  # the number of its last attempt
    held_until: float = 0.0  # a hold that has begun ends then, on whichever slice
    has_started: bool = False  # a task of it ran; kept where a timeout asks for it

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def start_by(self) -> float:
        """When it has waited too long for its first start, 0 if never."""
        timeout = self.spec.scheduling_timeout
        if not timeout or self.has_started or self.waits_for:
            return 0.0
        return (self.released_at or self.submitted_at) + timeout

    @property
    def end_of_untried(self) -> TaskState:
        """How its tasks end that were never attempted, once its end is asked for."""
        return TaskState.FAILED if self.is_late else TaskState.CANCELLED

    def words_of_waiting(self) -> str:
        """Which jobs have to end before it begins; empty if none has."""
        ends = {AfterEnd.SUCCESS: "success", AfterEnd.ANY: "end"}
        firsts = [f"the {ends[each.on]} of job {each.job}" for each in self.waits_for]
        return f"it waits for {' and '.join(firsts)}" if firsts else ""


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A client id whose answer was a job that had come under another one."""

    client_id: str
    job_uid: str
    asked: str = ""  # what its job was, as `planning.repeats` keeps it; old rows: ""
    after: tuple[After, ...] = ()  # those of the job that had not ended
    at: float = 0.0


EARLY_LOSSES = 3  # in a row, until a task gets a machine of its own


class Task(msgspec.Struct, frozen=True, gc=False):
    """One of the N replicas of a job, the thing scheduled."""

    job_uid: str
    index: int
    state: TaskState = TaskState.PENDING
    attempts: int = 0  # how many there were; the next has this number
    failures: int = 0  # charged to the user
    losses: int = 0  # never charged to the user
    early_losses: int = 0  # the last so many: its machine died soon after its start
    attempt_uid: str = ""  # the live one
    not_before: float = 0.0  # earliest time of the next attempt
    pending_since: float = 0.0
    reason: str = ""  # why it stands where it stands
    exit_code: int | None = None  # of the attempt that decided
    ended_at: float = 0.0

    @property
    def goes_alone(self) -> bool:
        """Do machines die under it? Then it gets one that has no other work."""
        return self.early_losses >= EARLY_LOSSES


class EndCause(StrEnum):
    """What ended an attempt, as far as its worker or the controller could tell."""

    EXITED = "exited"
    SIGNALLED = "signalled"  # by a signal that was not ours
    NO_SUCH_COMMAND = "no-such-command"
    OUT_OF_MEMORY = "out-of-memory"  # above its own limit
    TIMED_OUT = "timed-out"
    STOPPED = "stopped"  # we asked for it
    PREPARE_FAILED = "prepare-failed"
    NO_SUCH_IMAGE = "no-such-image"  # the registry refuses the one that the user named
    WORKER_LOST = "worker-lost"
    PREEMPTED = "preempted"
    NO_SUCH_SECRET = "no-such-secret"  # it was deleted while the task waited
    SETUP_FAILED = "setup-failed"  # the user's own, or it took too long
    OUTPUTS_REFUSED = "outputs-refused"  # it succeeded, and left what is not kept
    OUTPUTS_LOST = "outputs-lost"  # it succeeded, and what it left was not collected
    VANISHED = "vanished"  # its worker no longer knows it
    DRAINED = "drained"  # an operator gives its machine back


# Its machine goes, and it was asked to end before that. One that ends well by then has
# succeeded; any other end is a loss.
DEPARTURES = frozenset({EndCause.DRAINED, EndCause.PREEMPTED, EndCause.WORKER_LOST})


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One try of a task on one worker."""

    uid: str
    job_uid: str
    task_index: int
    number: int
    worker_uid: str
    slice_name: str
    worker_index: int
    resources: Resources
    state: AttemptState = AttemptState.ASSIGNED
    gang_uid: str = ""  # common to the attempts of one gang start, else empty
    resumes: str = ""  # how the attempt before it ended; empty for the first
    assigned_at: float = 0.0
    prepared_at: float = 0.0
    running_at: float = 0.0
    ended_at: float = 0.0
    reported: bool = False  # the worker has shown it in a heartbeat
    reported_seq: int = 0  # of the first heartbeat that did; older ones prove nothing
    stop_because: str = ""  # set once its end is wanted
    stop_by: float = 0.0  # when its grace will be over, once its end is wanted
    stop_cause: EndCause | None = None  # where its machine goes: one of DEPARTURES
    coordinator_port: int = 0  # picked by worker 0 of a gang
    exit_code: int | None = None
    cause: EndCause | None = None
    detail: str = ""
    kept_until: float = 0.0  # it has failed, and holds its place for visitors

    @property
    def had_failed(self) -> bool:
        """Was only its place left to end, which was kept for visitors?"""
        return bool(self.kept_until) and self.state is AttemptState.FAILED
