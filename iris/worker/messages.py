"""What keeper and agent say to each other, over a socket pair that both hold."""

from __future__ import annotations

import socket

import msgspec

from iris.domain import framing
from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptSpec


class Start(msgspec.Struct, frozen=True, tag=True):
    """Run the command; its output goes to the file `output` of the folder."""

    uid: str
    argv: tuple[str, ...]
    env: dict[str, str]
    memory_bytes: int
    run_timeout: float
    stop_grace: float
    image: str = ""  # where attempts are containers
    signal: str = "SIGTERM"


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Signal, grace, SIGKILL; a second one may bring the end nearer."""

    uid: str
    because: str = ""
    cause: EndCause = EndCause.STOPPED
    grace: float = -1.0  # seconds, -1 for the job's own


class Accept(msgspec.Struct, frozen=True, tag=True):
    """Remember a spec, so that an agent that starts anew knows it."""

    spec: AttemptSpec


class Fail(msgspec.Struct, frozen=True, tag=True):
    """It could not be prepared and will never start."""

    uid: str
    because: str
    cause: EndCause = EndCause.PREPARE_FAILED


class Forget(msgspec.Struct, frozen=True, tag=True):
    """The controller knows how it ended, and its folder is gone."""

    uid: str


class Identity(msgspec.Struct, frozen=True):
    """Who this worker is, and the token that speaks for it."""

    worker_uid: str
    token: str
    cluster_uid: str


class Keep(msgspec.Struct, frozen=True, tag=True):
    """Store what speaks for this worker, 0600."""

    identity: Identity


class Known(msgspec.Struct, frozen=True):
    """An attempt as the keeper holds it."""

    spec: AttemptSpec
    pid: int = 0  # 0 before its start
    started_at: float = 0.0
    ended_at: float = 0.0
    exit_code: int | None = None
    cause: EndCause | None = None
    detail: str = ""
    kept_until: float = 0.0  # it failed, and its place is kept for visitors


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The keeper's first words to an agent that starts."""

    epoch: int  # higher than any former agent's; heartbeats are numbered from it
    boot_id: str
    began_at: float  # when the keeper started
    identity: Identity | None
    attempts: tuple[Known, ...]
    keeper_started_at: float = 0.0


class Changed(msgspec.Struct, frozen=True, tag=True):
    """An attempt started or ended."""

    attempt: Known


class Ending(msgspec.Struct, frozen=True, tag=True):
    """The keeper was told to end: what runs has been asked to, nothing new starts."""

    notice: str = ""  # the cloud takes the VM away, which is why
    seconds: float = 0.0  # until the keeper is gone


ToKeeper = Start | Stop | Accept | Fail | Forget | Keep
ToAgent = Hello | Changed | Ending

_encode = msgspec.msgpack.Encoder().encode


def framed(message: ToKeeper | ToAgent) -> bytes:
    """One message as it travels."""
    return framing.framed(_encode(message))


def send(end: socket.socket, message: ToKeeper | ToAgent) -> None:
    """One message, whole. Raises OSError when the other end is gone."""
    end.sendall(framed(message))


decode_to_keeper = msgspec.msgpack.Decoder(ToKeeper).decode
decode_to_agent = msgspec.msgpack.Decoder(ToAgent).decode
