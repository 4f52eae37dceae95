"""Attempts as processes: each a session of its own, in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from iris.domain.fleet import Limits
from iris.processes import send, send_group
from iris.worker.descendants import left_behind
from iris.worker.messages import Start

LIMITS = Limits(
    cpu="not held: an ordinary user has no control group to set it in",
    memory="held: the memory of all processes is summed twice a second",
    time="held",
)


class ProcessRuntime:
    """Starts and ends attempts; their parent is this process."""

    def __init__(self, vm: Path) -> None:
        self._vm = str(vm)

    def start(self, start: Start, work: Path, output: Path) -> int:
        """Run the command and return its pid. Raises OSError."""
        work.mkdir(parents=True, exist_ok=True)
        handle = os.open(
            output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            process = subprocess.Popen(
                start.argv,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                cwd=work,
                env=start.env,
                start_new_session=True,
            )
        finally:
            os.close(handle)
        # the keeper reaps all of its children itself, by SIGCHLD
        process.returncode = 0
        return process.pid

    def left_behind(self, uid: str, pid: int) -> set[int]:
        """What lives of an attempt, its daemons too."""
        return left_behind(self._vm, uid, pid)

    def signal(self, pid: int) -> None:
        """Ask the whole group to end."""
        send_group(pid, signal.SIGTERM)

    def kill(self, uid: str, pid: int) -> None:
        """End the group, and what left it."""
        send_group(pid, signal.SIGKILL)
        for each in self.left_behind(uid, pid):
            send(each, signal.SIGKILL)
