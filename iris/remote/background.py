"""The one tunnel of a cluster that all commands share: a process of its own."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from iris import wire
from iris.clock import Clock, RealClock
from iris.errors import IrisError, Unreachable, UsageError
from iris.remote.connecting import ANSWER, Connecting
from iris.remote.messages import (
    SOCKET,
    Answer,
    Ask,
    listen,
    read_line,
    refused,
    send,
)
from iris.remote.pumping import pump_both
from iris.remote.shell import PortClosed
from iris.remote.target import Destination

IDLE_AFTER = 600.0  # seconds without anybody who uses it
LOOK_INTERVAL = 0.5  # seconds between looks at whether it is still wanted
HOLD_INTERVAL = 5.0  # seconds between looks at whether a holder is still there
ASK_TIMEOUT = 5.0  # seconds for a command to say what it wants
_LOG = logging.getLogger(__name__)


class Background:
    """Listens for commands on a socket in `folder`, for bytes on a loopback port."""

    def __init__(
        self,
        folder: Path,
        destination: Destination,
        idle_after: float = IDLE_AFTER,
        clock: Clock | None = None,
    ) -> None:
        self._folder = folder
        self._idle_after = idle_after
        self._clock = clock or RealClock()
        self._control = listen(folder)
        self._socket_id = (folder / SOCKET).stat().st_ino
        self._near = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{self._near.getsockname()[1]}"
        self._connecting = Connecting(destination, url, self._clock)
        self._users = 0
        self._used_at = self._clock.now()
        self._users_lock = threading.Lock()
        self._over = threading.Event()

    def serve(self) -> None:
        """Until nobody used it for long, `stop` was asked, or its folder is gone."""
        self._connecting.start()
        self._accept(self._control, self._obey)
        self._accept(self._near, self._carry)
        while not self._clock.wait(self._over, LOOK_INTERVAL):
            if self._is_idle() or not self._is_known():
                break
        _LOG.info("ends")
        self.close()

    def close(self) -> None:
        """Hang up; the socket goes first, so that nobody finds a dead one."""
        self._over.set()
        if self._is_known():
            (self._folder / SOCKET).unlink(missing_ok=True)
        for plug in (self._control, self._near):
            with suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts
            plug.close()
        self._connecting.close()

    def _is_idle(self) -> bool:
        with self._users_lock:
            silent = self._clock.now() - self._used_at
            return not self._users and silent >= self._idle_after

    def _is_known(self) -> bool:
        try:
            return (self._folder / SOCKET).stat().st_ino == self._socket_id
        except OSError:
            return False

    def _accept(
        self, server: socket.socket, serve: Callable[[socket.socket], None]
    ) -> None:
        def accept() -> None:
            while True:
                try:
                    plug, _ = server.accept()
                except OSError:
                    return  # closed
                threading.Thread(
                    target=self._use, args=(serve, plug), daemon=True
                ).start()

        threading.Thread(target=accept, daemon=True).start()

    def _use(self, serve: Callable[[socket.socket], None], plug: socket.socket) -> None:
        with self._users_lock:
            self._users += 1
        try:
            with plug:
                serve(plug)
        except (OSError, EOFError, UsageError) as error:
            _LOG.debug("hung up because=%s", error)
        finally:
            with self._users_lock:
                self._users -= 1
                self._used_at = self._clock.now()

    # -- bytes to the controller -----------------------------------------------------

    def _carry(self, plug: socket.socket) -> None:
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(IrisError):  # it is noted; whoever asks hears why
            pump_both(plug, self._connecting.dial())

    # -- what commands want ----------------------------------------------------------

    def _obey(self, plug: socket.socket) -> None:
        plug.settimeout(ASK_TIMEOUT)
        wanted = wire.decode(read_line(plug), Ask)
        plug.settimeout(None)
        if wanted.destination is not None:
            self._connecting.lead_to(wanted.destination)
        try:
            self._answer(plug, wanted)
        except IrisError as error:
            send(plug, refused(error))

    def _answer(self, plug: socket.socket, wanted: Ask) -> None:
        match wanted.want:
            case "state":
                send(plug, Answer(self._connecting.state()))
            case "up":
                send(plug, Answer(self._connecting.wait(wanted.wait)))
            case "run":
                send(plug, self._run(wanted))
            case "dial":
                self._dial(plug, wanted)
            case "hold":
                self._hold(plug)
            case "stop":
                self.close()
                send(plug, Answer(self._connecting.state()))
            case other:
                raise UsageError(f"a tunnel knows nothing of {other!r}")

    def _run(self, wanted: Ask) -> Answer:
        state = self._connecting.wait(wanted.wait, for_ssh=True)
        ran = self._connecting.shell().run(wanted.command, wanted.wait)
        return Answer(state, ran)

    def _dial(self, plug: socket.socket, wanted: Ask) -> None:
        self._connecting.wait(wanted.wait, for_ssh=True)
        shell = self._connecting.shell()
        try:
            far = shell.dial(wanted.address, wanted.port, wanted.wait or ANSWER)
        except PortClosed as error:
            raise Unreachable(str(error)) from error
        send(plug, Answer())
        pump_both(plug, far)

    def _hold(self, plug: socket.socket) -> None:
        """Tell each change of its state for as long as the other side stays."""
        plug.settimeout(0.001)
        state = self._connecting.wait(ANSWER)
        send(plug, Answer(state))
        while not self._over.is_set():
            with suppress(TimeoutError):
                if not plug.recv(1):
                    return
            later = self._connecting.wait_for_change(state, LOOK_INTERVAL)
            if later != state:
                state = later
                send(plug, Answer(state))
