"""A command on another machine whose stdin, stdout and stderr are ours."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from iris.errors import Unreachable
from iris.remote.pumping import CUT, PIECE, close_quietly
from iris.remote.shell import Shell

Write = Callable[[bytes], None]


class Attached:
    """It runs; what it prints goes on byte for byte, as it comes."""

    def __init__(self, shell: Shell, command: str, out: Write, err: Write) -> None:
        self._name = shell.target.name
        self._channel: Any = shell.attach(command)
        self._broken: list[OSError] = []  # whoever should read it has gone
        reads = ((self._channel.recv, out), (self._channel.recv_stderr, err))
        self._pumps = [
            threading.Thread(target=self._pump, args=each, daemon=True)
            for each in reads
        ]
        for pump in self._pumps:
            pump.start()

    def send(self, content: bytes) -> None:
        """More for its stdin; one that has ended hears nothing."""
        try:
            self._channel.sendall(content)
        except CUT:
            return

    def wait(self) -> int:
        """Its exit status. Raises Unreachable where the line was cut."""
        for pump in self._pumps:
            pump.join()
        if self._broken:
            raise self._broken[0]
        status = int(self._channel.recv_exit_status())
        if status < 0:
            raise Unreachable(f"SSH to {self._name} was cut while it ran")
        return status

    def close(self) -> None:
        """Hang up, which ends what runs."""
        close_quietly(self._channel)

    def _pump(self, read: Callable[[int], bytes], write: Write) -> None:
        try:
            while piece := read(PIECE):
                write(piece)
        except BrokenPipeError as error:
            self._broken.append(error)
            self.close()
        except CUT:
            return
