"""Connections from a machine behind SSH, which is opened again after each cut."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from iris.errors import Unreachable
from iris.remote.shell import PortClosed, Shell
from iris.remote.target import Target

ANSWER = 10.0  # seconds for one connection


class Redialling:
    """One SSH to a machine, for as many connections as there are."""

    def __init__(self, target: Target, addresses: Sequence[str]) -> None:
        self._target = target
        self._addresses = addresses  # of the machine itself, tried in order
        self._lock = threading.Lock()
        self._shell: Shell | None = None

    def dial(self, port: int) -> Any:
        """A connection to one of its ports. Raises Unreachable."""
        try:
            try:
                return self._dial(self._open(), port)
            except Unreachable:
                # what was cut is often seen by the next use alone
                return self._dial(self._open(), port)
        except PortClosed as error:
            raise Unreachable(str(error)) from error

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            shell, self._shell = self._shell, None
        if shell is not None:
            shell.close()

    def _open(self) -> Shell:
        with self._lock:
            if self._shell is None or not self._shell.is_open:
                if self._shell is not None:
                    self._shell.close()
                self._shell = Shell(self._target)
                self._shell.open()
            return self._shell

    def _dial(self, shell: Shell, port: int) -> Any:
        try:
            *others, last = self._addresses
            for address in others:
                try:
                    return shell.dial(address, port, ANSWER)
                except PortClosed:
                    continue
            return shell.dial(last, port, ANSWER)
        except Unreachable:
            with self._lock:
                if self._shell is shell:
                    self._shell = None
            shell.close()
            raise
