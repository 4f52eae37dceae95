"""A port of the VM that an attempt runs on, on loopback of this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec

from iris.errors import Conflict, IrisError, Late, PortTaken, Unreachable, UsageError
from iris.operations.entering import Entrance
from iris.remote.pumping import pump_both
from iris.session import Session

LOOPBACK = "127.0.0.1"
DIAL_TIMEOUT = 10.0  # seconds for one connection
PAUSE = 0.5  # seconds between tries
LOOK_EVERY = 2.0  # seconds between looks at whether the attempt runs
HIGHEST = 65535
_NEVER = threading.Event()
Say = Callable[[str], None]


class Ports(msgspec.Struct, frozen=True):
    """Which port is meant, and where it is to be here; 0 for any that is free."""

    there: int
    here: int = 0


class Forwarded(msgspec.Struct, frozen=True):
    """Where the port is here."""

    address: str
    port: int
    attempt_uid: str


class Way(Protocol):
    """How connections get to the VM."""

    def dial(self, port: int) -> Any: ...
    def close(self) -> None: ...


class Forward:
    """Listens here; each connection goes on to the attempt's VM."""

    def __init__(self, session: Session, entrance: Entrance, way: Way) -> None:
        self._session = session
        self._entrance = entrance
        self._way = way
        self._near: socket.socket | None = None
        self._problem = ""

    def wait_for(self, port: int, within: float, say: Say) -> None:
        """Until something listens there. Raises Late, or Conflict once it has ended."""
        clock, is_told = self._session.clock, False
        until = clock.now() + within
        while True:
            try:
                self._way.dial(port).close()
                return
            except IrisError as error:
                words = error.message
            self._look()
            if clock.now() >= until:
                raise Late(
                    f"{words}, for {within:g} s",
                    hint="Does the program listen on that port? --wait-timeout waits "
                    "longer.",
                )
            if not is_told:
                say(f"{words} yet; waiting for {within:g} s")
            is_told = True
            clock.wait(_NEVER, PAUSE)

    def listen(self, ports: Ports) -> Forwarded:
        """Take connections from here on. Raises PortTaken."""
        has_own = self._session.reach.has_ssh  # else the program's is this machine's
        self._near = _listen(ports.here, ports.there if has_own else 0)
        accept = threading.Thread(target=self._accept, args=(ports.there,), daemon=True)
        accept.start()
        address = "{}:{}".format(*self._near.getsockname())
        return Forwarded(address, ports.there, self._entrance.attempt.uid)

    def hold(self) -> Iterator[str]:
        """Keep it until the attempt has ended, and say what becomes of it."""
        said = ""
        while True:
            try:
                self._look()
            except Conflict as error:
                yield error.message
                return
            if self._problem != said:
                said = self._problem
                yield said or "connections get through again"
            self._session.clock.wait(_NEVER, LOOK_EVERY)

    def close(self) -> None:
        """Take no more."""
        if self._near is not None:
            with contextlib.suppress(OSError):
                self._near.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts
            self._near.close()
        self._way.close()

    def _look(self) -> None:
        """Raises Conflict once the attempt has ended."""
        job, attempt = self._entrance.job, self._entrance.attempt
        with self._session.controller() as client:
            now = client.entrance(job.uid, attempt.task)
        if now.uid != attempt.uid:
            raise Conflict(f"{self._entrance.words} has ended; another runs by now")

    def _accept(self, port: int) -> None:
        assert self._near is not None
        while True:
            try:
                plug, _ = self._near.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._carry, args=(plug, port), daemon=True).start()

    def _carry(self, plug: socket.socket, port: int) -> None:
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with plug:
            try:
                far = self._way.dial(port)
            except IrisError as error:
                self._problem = error.message  # whoever connected tries again
                return
            self._problem = ""
            pump_both(plug, far)


@contextmanager
def open_forward(session: Session, entrance: Entrance) -> Iterator[Forward]:
    """What is needed to get to the attempt's VM, as long as it is needed."""
    forward = Forward(session, entrance, _way(session, entrance))
    try:
        yield forward
    finally:
        forward.close()


def read_ports(there: str, here: int | None) -> Ports:
    """As they were typed. Raises UsageError."""
    number = int(there) if there.isascii() and there.isdecimal() else 0
    for name, port in (("PORT", number), ("--local-port", 1 if here is None else here)):
        if not 1 <= port <= HIGHEST:
            words = there if name == "PORT" else here
            raise UsageError(f"{name}: expected a number from 1 to 65535, got {words}")
    return Ports(number, here or 0)


def _listen(wanted: int, liked: int) -> socket.socket:
    """At the port that is wanted, else at the one that is liked, else at any."""
    for port in (wanted,) if wanted else (liked, 0):
        try:
            return socket.create_server((LOOPBACK, port))
        except OSError as error:
            problem = error
    raise PortTaken(
        f"--local-port {wanted}: {os.strerror(problem.errno or 0).lower()}",
        hint="Another one, or none: then a free one is found.",
    )


def _way(session: Session, entrance: Entrance) -> Way:
    worker = entrance.worker
    address = worker.address.rpartition(":")[0] or worker.address
    addresses = tuple(dict.fromkeys((address, LOOPBACK)))
    if not session.reach.has_ssh:
        return _Straight(addresses)
    from iris.remote.redialling import Redialling

    return Redialling(session.reach.worker(worker), addresses)


class _Straight:
    """The VM is this machine."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses

    def dial(self, port: int) -> socket.socket:
        for address in self._addresses:
            with contextlib.suppress(OSError):
                return socket.create_connection((address, port), DIAL_TIMEOUT)
        raise Unreachable(f"nothing listens on port {port} of this machine")

    def close(self) -> None:
        """Nothing is kept."""
