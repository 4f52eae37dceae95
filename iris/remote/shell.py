"""Commands on another machine, over SSH by Fabric; nothing of it ever asks."""

from __future__ import annotations

import logging
import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

from iris.errors import IrisError, Late, NotAllowed, Unreachable
from iris.remote.dialling import Line, dial
from iris.remote.keys import require_key
from iris.remote.messages import Ran
from iris.remote.pins import check_pin
from iris.remote.target import Target

CONNECT_TIMEOUT = 10.0  # seconds for each step of getting in
RUN_TIMEOUT = 60.0  # seconds
ONE_TO_ONE = "latin-1"  # Fabric gives text; this one gives the bytes back as they were


class Shell:
    """A connection to one machine; opened by its first use, closed by its owner."""

    def __init__(self, target: Target, timeout: float = CONNECT_TIMEOUT) -> None:
        self.target = target
        self._timeout = timeout
        self._line: Line | None = None
        self._connection: Any = None
        self._opening = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def open(self) -> None:
        """Get in. Raises Unreachable, NotAllowed, KeyChanged."""
        with self._opening:
            if self._connection is None:
                require_key(Path(self.target.key))
                self._line = dial(self.target, self._timeout)
                try:
                    self._connection = self._get_in(self._line)
                except BaseException:
                    self._line.close()
                    raise

    def close(self) -> None:
        """Hang up."""
        with self._opening:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            if self._line is not None:
                self._line.close()
                self._line = None

    @property
    def is_open(self) -> bool:
        """Does the connection live, as far as this end knows?"""
        connection = self._connection
        return connection is not None and bool(connection.is_connected)

    def run(self, command: str, timeout: float = RUN_TIMEOUT) -> Ran:
        """Run a command to its end. Raises Late, Unreachable."""
        with self._reaching():
            ended = self._run(command, timeout)
        self._require_ended(ended)
        out, err = (text.encode(ONE_TO_ONE) for text in (ended.stdout, ended.stderr))
        return Ran(ended.exited, out, err)

    def stream(
        self,
        command: str,
        write: Callable[[bytes], None],
        timeout: float | None = None,
    ) -> int:
        """Run a command and pass on what it prints as it comes; its exit status."""
        pipe = _Pipe(write)
        with self._reaching():
            ended = self._run(command, timeout, out_stream=pipe, err_stream=pipe)
        self._require_ended(ended)
        return int(ended.exited)

    def attach(self, command: str) -> Any:
        """Start a command; its streams are the channel's. Raises Unreachable."""
        with self._reaching():
            channel = self._transport().open_session(timeout=self._timeout)
            channel.exec_command(command)
            return channel

    def put(self, content: bytes, path: str, timeout: float = RUN_TIMEOUT) -> None:
        """Write a file there, whole or not at all. Raises Late, Unreachable."""
        new = shlex.quote(f"{path}.new")
        with self._reaching():
            channel = self._transport().open_session(timeout=self._timeout)
            channel.settimeout(timeout)
            channel.exec_command(f"cat > {new} && mv {new} {shlex.quote(path)}")
            channel.sendall(content)
            channel.shutdown_write()
            said = channel.makefile_stderr("rb").read()
            status = channel.recv_exit_status()
        if status != 0:
            words = said.decode(errors="replace").strip()
            raise NotAllowed(f"{path} cannot be written on {self.target.name}: {words}")

    def dial(self, address: str, port: int, timeout: float) -> Any:
        """A connection from that machine to an address. Raises PortClosed."""
        from paramiko import ChannelException

        with self._reaching():
            try:
                return self._transport().open_channel(
                    "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=timeout
                )
            except ChannelException as error:
                raise PortClosed(
                    f"{self.target.name} cannot reach {address}:{port}: {error.text}"
                ) from error

    def _transport(self) -> Any:
        self.open()
        return self._connection.transport

    def _run(self, command: str, timeout: float | None, **streams: Any) -> Any:
        self.open()
        return self._connection.run(
            command,
            timeout=timeout,
            hide=not streams,
            warn=True,
            in_stream=False,
            encoding=ONE_TO_ONE,
            **streams,
        )

    def _require_ended(self, ended: Any) -> None:
        if ended.exited < 0:
            raise Unreachable(f"SSH to {self.target.name} was cut while it ran")

    def _get_in(self, line: Line) -> Any:
        connection = _connection(self.target, line, self._timeout)
        with self._reaching(line):
            try:
                connection.open()
            except BaseException:
                connection.client.close()
                raise
        # a cut may leave no trace; the far end's silence is noticed by whoever asks
        connection.transport.set_keepalive(15)
        return connection

    @contextmanager
    def _reaching(self, line: Line | None = None) -> Iterator[None]:
        """SSH's own errors as ours."""
        from invoke.exceptions import CommandTimedOut, ThreadException
        from paramiko import AuthenticationException, SSHException

        name = self.target.name
        try:
            yield
        except (IrisError, PortClosed):
            raise
        except CommandTimedOut as error:
            raise Late(f"{name}: no end within {error.timeout:g} s") from error
        except AuthenticationException as error:
            raise _not_let_in(self.target) from error
        except (SSHException, EOFError, OSError, ThreadException) as error:
            words = (line.said() if line else "") or str(error) or "the line is dead"
            first = words.splitlines()[0].rstrip(".")
            raise Unreachable(f"SSH to {name}: {first}") from error


class PortClosed(Exception):
    """SSH is well, but nothing listens where its far end should connect to."""


class _Pipe:
    """A text stream that passes bytes on."""

    encoding = ONE_TO_ONE

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def write(self, text: str) -> None:
        self._write(text.encode(ONE_TO_ONE))

    def flush(self) -> None:
        """Nothing is held back."""


def _connection(target: Target, line: Line, timeout: float) -> Any:
    from fabric import Config, Connection

    # its threads tell of each cut line; whoever asked hears of it from us
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
    made = Connection(
        target.address,
        user=target.user,
        port=target.port,
        # lazy: neither ~/.ssh/config nor ~/.fabric.yaml has a say
        config=Config(lazy=True),
        connect_kwargs={
            "sock": line.plug,
            "key_filename": target.key,
            "allow_agent": False,
            "look_for_keys": False,
            "timeout": timeout,
            "banner_timeout": timeout,
            "auth_timeout": timeout,
        },
    )
    made.client.set_missing_host_key_policy(_policy(target))
    return made


def _policy(target: Target) -> Any:
    """Asks the pins, under the machine's name and not its address."""

    def check(_client: object, _address: str, key: Any) -> None:
        said = f"{key.get_name()} {key.get_base64()}"
        check_pin(Path(target.pins), target.name, said, target.identity)

    return SimpleNamespace(missing_host_key=check)


def _not_let_in(target: Target) -> NotAllowed:
    return NotAllowed(
        f"{target.name} does not let {target.user!r} in with the key {target.key}",
        hint="The VM takes the keys it was made with: of the machine that started "
        "the cluster, or `ssh: {user, key}` of its file.",
    )
