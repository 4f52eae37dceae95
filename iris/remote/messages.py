"""What is said over the control socket of a tunnel: one line of JSON each way."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from iris import wire
from iris.domain.views import Problem
from iris.errors import IrisError, Unreachable
from iris.remote.target import Destination

SOCKET = "tunnel.sock"
LONGEST_PATH = 100  # bytes; the system takes 104 to 108
GRACE = 5.0  # seconds beyond the wait that was asked for
MOST_BYTES = 100_000_000  # of one line


class Ask(msgspec.Struct, frozen=True):
    """What a command wants of the tunnel."""

    want: str  # "state", "up", "run", "dial", "hold" or "stop"
    destination: Destination | None = None  # where it must lead from now on
    wait: float = 0.0  # seconds
    command: str = ""  # to run
    address: str = ""  # to dial
    port: int = 0


class Ran(msgspec.Struct, frozen=True):
    """How a command on another machine ended."""

    exit_status: int
    out: bytes
    err: bytes


class State(msgspec.Struct, frozen=True):
    """How a tunnel stands."""

    is_up: bool
    url: str  # where its near end listens
    pid: int
    destination: Destination
    has_ssh: bool = False
    connected_at: float = 0.0  # 0 while SSH is not connected
    handshakes: int = 0
    problem: Problem | None = None  # why it is not up

    def require(self) -> None:
        """Raise what is in the way."""
        if self.problem is not None and not self.is_up:
            raise wire.error_from_problem(self.problem)


class Answer(msgspec.Struct, frozen=True):
    """What the tunnel says to it."""

    state: State | None = None
    ran: Ran | None = None
    problem: Problem | None = None

    def require(self) -> None:
        """Raise what the other side refused with."""
        if self.problem is not None:
            raise wire.error_from_problem(self.problem)


def refused(error: IrisError) -> Answer:
    """An answer that says no."""
    return Answer(problem=wire.error_to_problem(error))


def connect(folder: Path, timeout: float) -> socket.socket | None:
    """The control socket of the folder's tunnel, None where nobody listens."""
    plug = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    plug.settimeout(timeout + GRACE)
    try:
        _by_short_path(plug.connect, folder / SOCKET)
    except OSError:
        plug.close()
        return None
    return plug


def listen(folder: Path) -> socket.socket:
    """Listen there; only the folder's owner may connect."""
    path = folder / SOCKET
    with suppress(FileNotFoundError):
        path.unlink()
    plug = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    _by_short_path(plug.bind, path)
    path.chmod(0o600)
    plug.listen(64)
    return plug


def ask(plug: socket.socket, wanted: Ask) -> Answer:
    """Say what is wanted and read the answer. Raises Unreachable."""
    try:
        send(plug, wanted)
        return wire.decode(read_line(plug), Answer)
    except (OSError, EOFError) as error:
        raise Unreachable(f"the tunnel went away: {error}") from error


def send(plug: socket.socket, said: Ask | Answer) -> None:
    """One line."""
    plug.sendall(wire.encode(said) + b"\n")


def read_line(plug: socket.socket) -> bytes:
    """One line and not a byte more: what follows it may be another's."""
    said = bytearray()
    while len(said) < MOST_BYTES:
        seen = plug.recv(65536, socket.MSG_PEEK)
        if not seen:
            raise EOFError("it hung up")
        upto = seen.find(b"\n") + 1
        said += plug.recv(upto or len(seen))
        if upto:
            return bytes(said)
    raise EOFError("it says too much")


def _by_short_path(use: Callable[[str], object], path: Path) -> None:
    """The system takes short names only: a link stands for a long one."""
    if len(bytes(path)) <= LONGEST_PATH:
        use(str(path))
        return
    with tempfile.TemporaryDirectory(prefix="iris-") as short:
        link = Path(short) / "t"
        link.symlink_to(path.parent)
        use(str(link / path.name))
