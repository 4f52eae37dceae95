"""A cluster's tunnel, as commands see it: found, or started, and asked."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from iris import wire
from iris.clock import Clock
from iris.errors import Unreachable
from iris.files import make_private
from iris.remote.messages import Answer, Ask, Ran, State, ask, connect, read_line, send
from iris.remote.target import Destination

START_PATIENCE = 10.0  # seconds for its process to listen
START_AGAIN_AFTER = 2.0  # seconds; the last one may have been about to end
LOOK_INTERVAL = 0.01  # seconds
TRY = 30.0  # seconds for one whole try to get through
STATE_PATIENCE = 2.0  # seconds for a process of this machine to say how it stands
_NEVER = threading.Event()


class Tunnel:
    """The background tunnel of the cluster whose record lies in `folder`."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def state(self) -> State | None:
        """How it stands, None where there is none; starts and waits for nothing."""
        return self._told(Ask("state"), STATE_PATIENCE)

    def url(self, cluster_uid: str) -> str:
        """Where it listens, if it is up and its far end proved that uid."""
        state = self.state()
        if state is None or not state.is_up:
            return ""
        is_ours = cluster_uid in ("", state.destination.cluster_uid)
        return state.url if is_ours else ""

    def lead_to(self, destination: Destination, wait: float = TRY) -> State:
        """Make it lead there and try; raises why it does not get through."""
        state = self._ask(Ask("up", destination, wait)).state
        if state is None:
            raise Unreachable("the tunnel does not say how it stands")
        state.require()
        return state

    def run(self, destination: Destination, command: str, timeout: float) -> Ran:
        """Run a command on the controller's machine, over the SSH that is there."""
        answer = self._ask(Ask("run", destination, timeout, command))
        if answer.ran is None:
            raise Unreachable("the tunnel does not say how the command ended")
        return answer.ran

    def hold(self) -> Iterator[State]:
        """Keep it from ending, and hear of each change."""
        plug = connect(self._folder, TRY)
        if plug is None:
            raise Unreachable("there is no tunnel")
        with plug:
            plug.settimeout(None)
            send(plug, Ask("hold"))
            while True:
                try:
                    said = wire.decode(read_line(plug), Answer)
                except (OSError, EOFError):
                    return
                if said.state is not None:
                    yield said.state

    def stop(self) -> None:
        """End it; absence is success."""
        with suppress(Unreachable):
            self._told(Ask("stop"), STATE_PATIENCE)

    def _told(self, wanted: Ask, timeout: float) -> State | None:
        plug = connect(self._folder, timeout)
        if plug is None:
            return None
        with plug:
            try:
                return ask(plug, wanted).state
            except Unreachable:
                return None

    def _ask(self, wanted: Ask) -> Answer:
        """Ask it, started where there is none. Raises what is in the way."""
        until = self._clock.now() + START_PATIENCE
        start_at = 0.0
        while True:
            plug = connect(self._folder, wanted.wait)
            if plug is not None:
                with plug, suppress(Unreachable):  # it ended just then: another comes
                    answer = ask(plug, wanted)
                    break
            if self._clock.now() >= until:
                raise Unreachable(
                    f"the tunnel does not start; see {self._folder / 'tunnel.log'}"
                )
            if wanted.destination is not None and self._clock.now() >= start_at:
                self._start(wanted.destination)
                start_at = self._clock.now() + START_AGAIN_AFTER
            self._clock.wait(_NEVER, LOOK_INTERVAL)
        answer.require()
        return answer

    def _start(self, destination: Destination) -> None:
        make_private(self._folder)
        words = [sys.executable, "-m", "iris.remote", "--folder", str(self._folder)]
        # it forks and returns at once
        ran = subprocess.run(
            words,
            input=wire.encode(destination),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if ran.returncode != 0:
            last = ran.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise Unreachable(f"the tunnel does not start: {' '.join(last)}")
