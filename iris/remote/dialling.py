"""The bytes below SSH: straight, through a command, or through a tunnel."""

from __future__ import annotations

import shlex
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from iris.domain.endpoints import is_loopback
from iris.errors import Unreachable
from iris.remote.messages import Ask, ask, connect
from iris.remote.target import Target

END_PATIENCE = 2.0  # seconds for a proxy command to end by itself


class Line:
    """A connection to a machine's SSH; whoever opened it closes it."""

    def __init__(
        self,
        plug: socket.socket,
        process: subprocess.Popen[bytes] | None = None,
        words: IO[bytes] | None = None,
    ) -> None:
        self.plug = plug
        self._process = process
        self._words = words

    def said(self) -> str:
        """The last line that a proxy command said of its trouble."""
        if self._words is None or self._words.closed:
            return ""
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def close(self) -> None:
        """Hang up; a proxy command is ended and reaped."""
        self.plug.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(END_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._words is not None:
            self._words.close()


def dial(target: Target, timeout: float) -> Line:
    """A connection to the target's SSH port. Raises Unreachable."""
    _require_allowed(target)
    if target.through:
        return Line(_through(target, timeout))
    if target.proxy_command:
        return _proxied(target)
    try:
        return Line(socket.create_connection((target.address, target.port), timeout))
    except OSError as error:
        words = error.strerror or str(error) or type(error).__name__
        raise Unreachable(
            f"SSH to {target.address} port {target.port}: {words.lower()}"
        ) from error


def command_line(target: Target) -> str:
    """The proxy command with its places filled, as OpenSSH fills them."""
    filled = target.proxy_command.replace("%%", "\0")
    filled = filled.replace("%h", shlex.quote(target.address))
    return filled.replace("%p", str(target.port)).replace("\0", "%")


def _require_allowed(target: Target) -> None:
    if target.through or target.proxy_command:
        return  # a VM of the rehearsal dials, or its emulator's own dialler
    if target.loopback_only and not is_loopback(f"ssh://{target.address}"):
        raise Unreachable(
            f"{target.address} is outside this machine, and this is a rehearsal"
        )


def _proxied(target: Target) -> Line:
    ours, theirs = socket.socketpair()
    words = tempfile.TemporaryFile()  # noqa: SIM115 it lives as long as the line
    with theirs:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command_line(target)}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=words,
            start_new_session=True,
        )
    return Line(ours, process, words)


def _through(target: Target, timeout: float) -> socket.socket:
    plug = connect(Path(target.through), timeout)
    if plug is None:
        raise Unreachable(f"there is no tunnel to reach {target.name} through")
    try:
        wanted = Ask("dial", address=target.address, port=target.port, wait=timeout)
        ask(plug, wanted).require()
    except BaseException:
        plug.close()
        raise
    return plug
