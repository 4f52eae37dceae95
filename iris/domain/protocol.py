"""What agents and the controller say to each other."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from iris.domain.fleet import Limits
from iris.domain.jobs import EndCause
from iris.domain.machine import OUTPUT_BYTES
from iris.domain.resources import Resources
from iris.domain.states import AttemptState


class Registration(msgspec.Struct, frozen=True):
    """A keeper's first words; `join token` travels as the bearer token.

    The same (join token, boot id) may be sent again until the first heartbeat.
    """

    slice_name: str
    slice_uid: str
    index: int
    boot_id: str
    address: str
    version: str
    limits: Limits = Limits()


class Registered(msgspec.Struct, frozen=True):
    """Who the worker is from now on, and the token that speaks for it alone."""

    worker_uid: str
    token: str
    cluster: str
    cluster_uid: str
    interval: float  # seconds between heartbeats


class AttemptReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """One attempt as its worker sees it: live, or ended and not acknowledged."""

    uid: str
    state: AttemptState
    exit_code: int | None = None
    cause: EndCause | None = None
    detail: str = ""
    coordinator_port: int = 0
    log_bytes: int = 0  # of its whole output; all shipped when the state is an end
    log: bytes = b""  # the last bytes of its output where they ride along
    log_offset: int = 0  # where `log` begins
    started_at: float = 0.0
    ended_at: float = 0.0
    outputs_missing: str = ""  # why what it left was not collected
    kept_until: float = 0.0  # it has failed, and holds its place for visitors


class Heartbeat(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that the worker observes; `seq` grows over restarts of agent and machine."""

    worker_uid: str
    boot_id: str
    seq: int
    nudge_port: int = 0
    nudges: int = 0  # datagrams received since this agent started
    attempts: tuple[AttemptReport, ...] = ()
    notice: str = ""  # the machine is about to go (preemption, maintenance)
    goes_in: float = 0.0  # seconds until then, 0 where nobody set a time
    is_ending: bool = False  # the keeper was told to end: nothing starts here any more


class AttemptSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a worker needs to run one attempt.

    `env` has the user's variables; the agent adds the environment contract.
    """

    uid: str
    job: str
    job_uid: str
    task_index: int
    num_tasks: int
    number: int
    command: tuple[str, ...]
    resources: Resources
    slice_name: str
    worker_index: int
    hostnames: tuple[str, ...]  # of all workers of the slice, in order of index
    accelerator: str = ""
    env: dict[str, str] = {}
    bundle: str = ""
    run_timeout: float = 0.0
    stop_grace: float = 10.0
    gang: bool = False
    image: str = ""  # that the user named
    signal: str = "SIGTERM"
    checkpoint_dir: str = ""
    resumes: str = ""  # how the attempt before it ended; empty for the first
    disk_bytes: int = 0
    setup: str = ""
    setup_timeout: float = 1200.0
    secrets: tuple[str, ...] = ()  # names; the values are asked for
    keep_on_failure: float = 0.0  # seconds that its place stays once it has failed
    output_bytes: int = OUTPUT_BYTES  # that it may leave in IRIS_OUTPUT_DIR


class Desired(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the worker should do with one attempt.

    `run`: prepare it, and start it unless it belongs to a gang, which waits for
    `go`; `go`: start it; `stop`: end it. An attempt that the worker reported and
    that is not listed: if ended, it is acknowledged; if live, end it.
    """

    uid: str
    want: Literal["run", "go", "stop"]
    spec: AttemptSpec | None = None  # only where the report lacked the attempt
    coordinator: str = ""  # host:port, with `go`
    because: str = ""  # with `stop`
    cause: EndCause = EndCause.STOPPED  # with `stop`: what it then ends of
    grace: float = -1.0  # with `stop`: seconds until SIGKILL, -1 for the job's own
    log_have: int = -1  # bytes of its output that the controller has, -1 unknown


class HeartbeatAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole list of what the worker should run or stop."""

    seq: int  # the newest sequence number of State that it shows
    interval: float
    attempts: tuple[Desired, ...] = ()


class LogChunk(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bytes of one attempt's output, from `offset` on."""

    attempt_uid: str
    offset: int
    content: bytes
    # bytes in place of content: of a chunk that was refused, so that the log says so
    refused: Annotated[int, msgspec.Meta(ge=0, le=1 << 30)] = 0


class LogBatch(msgspec.Struct, frozen=True):
    """Many chunks in one request, at most 4 MiB together."""

    chunks: tuple[LogChunk, ...]


class LogBatchAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many bytes of each attempt's output the controller now has."""

    have: dict[str, int]
    refused: dict[str, str] = {}  # why nothing of some was taken


class OutputsOffer(msgspec.Struct, frozen=True):
    """The outputs of an attempt that has ended, packed."""

    size_bytes: int = 0  # of the packed file
    sha256: str = ""
    files: int = 0
    content_bytes: int = 0  # of the files themselves
    left_out: tuple[str, ...] = ()  # what could not be packed, each with its reason
    missing: str = ""  # why they were not collected; the controller's


# of the packed file that travel at once, either way; a cut costs no more than that
MOST_IN_PIECE = 4 << 20


class OutputsHad(msgspec.Struct, frozen=True):
    """How much of the packed file the controller has."""

    have: int
    kept: bool = False  # whole, checked, and in place


class PhaseReport(msgspec.Struct, frozen=True):
    """One step of a boot; sent with the join token or the worker's own."""

    slice_name: str
    index: int
    phase: str
    at: float
    detail: str = ""
