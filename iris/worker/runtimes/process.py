"""Attempts as processes: each a session of its own, in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from iris.domain.fleet import Limits
from iris.processes import send_group
from iris.worker.messages import Start

LIMITS = Limits(
    cpu="not held: an ordinary user has no control group to set it in",
    memory="held: the memory of all its processes is summed twice a second",
    time="held",
)


class ProcessRuntime:
    """Starts and signals attempts; their parent is this process."""

    def start(self, start: Start, work: Path, output: Path) -> int:
        """Run the command and return its pid. Raises OSError or ValueError."""
        if not start.argv:
            raise ValueError("it has no words")
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

    def signal(self, pid: int) -> None:
        """Ask the whole group to end."""
        send_group(pid, signal.SIGTERM)

    def kill(self, pid: int) -> None:
        """End the group; what left it is found once its first process has ended."""
        send_group(pid, signal.SIGKILL)

    def has_group(self, pid: int) -> bool:
        """Is anything left of its group?"""
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
