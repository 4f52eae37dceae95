"""One destination kept in reach: SSH connected, the far end proven, again and again."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from msgspec.structs import replace

from iris import wire
from iris.clock import Clock
from iris.errors import IrisError, Unreachable
from iris.remote.messages import State
from iris.remote.proof import LineDead, prove
from iris.remote.pumping import close_quietly
from iris.remote.shell import PortClosed, Shell
from iris.remote.target import Destination

KEEPALIVE = 5.0  # seconds between proofs of a tunnel that is up
ANSWER = 10.0  # seconds for a proof
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds between tries, doubled each time
_NEVER = threading.Event()
_LOG = logging.getLogger(__name__)


class Connecting:
    """Tries, proves and tries again in a thread of its own."""

    def __init__(self, destination: Destination, url: str, clock: Clock) -> None:
        self.url = url
        self.destination = destination
        self._clock = clock
        self._shell: Shell | None = None
        self._changed = threading.Condition()
        self._hurry = threading.Event()
        self._over = False
        self._tries = 0  # that came to an end, good or bad
        self._is_up = False
        self._problem: IrisError | None = None
        self._connected_at = 0.0
        self._handshakes = 0

    def start(self) -> None:
        """Begin to try."""
        threading.Thread(target=self._keep, name="tunnel", daemon=True).start()

    def close(self) -> None:
        """Hang up for good."""
        with self._changed:
            self._over = True
        self._drop()
        self._hurry.set()

    def lead_to(self, destination: Destination) -> None:
        """Go elsewhere from now on; the near end stays where it is."""
        with self._changed:
            if _without_identity(destination) == _without_identity(self.destination):
                return  # the cloud may have learnt its key since; it is pinned by now
            _LOG.info("leads elsewhere address=%s", destination.target.address)
            self.destination = destination
            self._is_up, self._problem = False, None
        self._drop()
        self._hurry.set()

    def wait(self, wait: float, *, for_ssh: bool = False) -> State:
        """Until it is up, or a whole try failed after this call, or time is over."""
        with self._changed:
            before = self._tries

            def is_told() -> bool:
                has_ssh = for_ssh and self._has_ssh()
                return self._is_live() or has_ssh or self._tries > before

            if not is_told():
                self._hurry.set()
            self._changed.wait_for(is_told, wait)
            return self._state()

    def wait_for_change(self, before: State, wait: float) -> State:
        """The state once it is another than before, or time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._state() != before, wait)
            return self._state()

    def state(self) -> State:
        """How it stands."""
        with self._changed:
            return self._state()

    def shell(self) -> Shell:
        """The connection to the controller's machine. Raises what is in the way."""
        with self._changed:
            if self._shell is None:
                raise self._problem or Unreachable("SSH is not connected yet")
            return self._shell

    def dial(self) -> Any:
        """A connection to the controller. Raises Unreachable."""
        shell, to = self.shell(), self.destination
        try:
            return shell.dial(to.address, to.port, ANSWER)
        except (PortClosed, Unreachable) as error:
            problem = Unreachable(str(error))
            if shell is self._shell:
                self._note(to, problem)
                self._hurry.set()
            raise problem from error

    # -- the thread ------------------------------------------------------------------

    def _keep(self) -> None:
        pause = FIRST_PAUSE
        while not self._over:
            self._hurry.clear()
            if self._try_once():
                pause = FIRST_PAUSE
                self._clock.wait(self._hurry, KEEPALIVE)
            else:
                # however much hurry there is: a far end that refuses is not hammered
                self._clock.wait(_NEVER, FIRST_PAUSE)
                self._clock.wait(self._hurry, pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _try_once(self) -> bool:
        to = self.destination
        try:
            shell = self._connected(to)
            self._prove(shell, to)
        except PortClosed as error:
            self._note(to, Unreachable(str(error)))
            return False
        except IrisError as error:
            self._note(to, error)
            return False
        except Exception as error:
            # a library's surprise is told like any other trouble: without this
            # thread nobody would ever connect again
            _LOG.exception("the try failed")
            self._drop()
            self._note(to, Unreachable(f"{to.target.name}: {error!r}"))
            return False
        self._note(to, None)
        return True

    def _connected(self, to: Destination) -> Shell:
        shell = self._shell
        if shell is not None and shell.is_open:
            return shell
        self._drop()
        shell = Shell(to.target)
        shell.open()
        with self._changed:
            if self._over or to != self.destination:
                shell.close()
                raise Unreachable("it leads elsewhere by now")
            self._shell = shell
            self._connected_at = self._clock.now()
            self._handshakes += 1
            self._changed.notify_all()
        _LOG.info("ssh connected address=%s", to.target.address)
        return shell

    def _prove(self, shell: Shell, to: Destination) -> None:
        try:
            plug = shell.dial(to.address, to.port, ANSWER)
            try:
                plug.settimeout(ANSWER)
                prove(plug, to)
            finally:
                close_quietly(plug)
        except LineDead as error:
            self._drop()
            raise Unreachable(f"{to.target.name}: {error}") from error
        except Unreachable:
            if not shell.is_open:
                self._drop()
            raise

    def _note(self, to: Destination, problem: IrisError | None) -> None:
        with self._changed:
            if to != self.destination:
                return  # we have left it meanwhile
            if problem is None and not self._is_up:
                _LOG.info("up url=%s", self.url)
            elif problem is not None and str(problem) != str(self._problem):
                _LOG.warning("not up because=%s", problem)
            self._tries += 1
            self._is_up, self._problem = problem is None, problem
            self._changed.notify_all()

    def _drop(self) -> None:
        with self._changed:
            shell, self._shell = self._shell, None
            self._connected_at = 0.0
        if shell is not None:
            shell.close()

    def _is_live(self) -> bool:
        """Is it up by the last proof, and not cut since?"""
        return self._is_up and self._has_ssh()

    def _has_ssh(self) -> bool:
        shell = self._shell
        return shell is not None and shell.is_open

    def _state(self) -> State:
        is_up = self._is_live()
        if self._is_up and not is_up:
            self._hurry.set()
        problem = self._problem or Unreachable("SSH is not connected")
        return State(
            is_up=is_up,
            url=self.url,
            pid=os.getpid(),
            destination=self.destination,
            has_ssh=self._has_ssh(),
            connected_at=self._connected_at,
            handshakes=self._handshakes,
            problem=None if is_up else wire.error_to_problem(problem),
        )


def _without_identity(to: Destination) -> Destination:
    return replace(to, target=replace(to.target, identity=""))
