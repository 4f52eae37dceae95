"""`docker exec`: a command in a container that runs, as the stand-in knows it.

It ends with the container. As with Docker, the end of whoever typed it ends nothing
but its stdin.
"""

from __future__ import annotations

import os
import signal
import subprocess

from iris.emulator.process.containers import Wrong, pid_of, state_of, there
from iris.emulator.process.flags import split

LOOK = 0.05  # seconds between looks at whether the container runs


def execute(words: list[str]) -> int:
    """Its status is the command's; -i passes stdin on."""
    flags, rest = split(words, set(), {"-i", "--interactive"})
    if len(rest) < 2:
        raise Wrong(64, "docker stand-in: exec names a container and a command")
    folder, command = there(rest[0]), rest[1:]
    pid = state_of(folder).get("pid", 0)
    if pid_of(folder) is None or not pid:
        raise Wrong(
            1, f"Error response from daemon: container {rest[0]} is not running"
        )
    child = _start(pid, command, has_stdin=bool(flags))
    while True:
        try:
            code = child.wait(LOOK)
            return code if code >= 0 else 128 - code
        except subprocess.TimeoutExpired:
            if state_of(folder).get("pid") != pid:
                os.killpg(child.pid, signal.SIGKILL)


def _start(pid: int, command: list[str], *, has_stdin: bool) -> subprocess.Popen[bytes]:
    with open(f"/proc/{pid}/environ", "rb") as file:
        pairs = [each.partition(b"=")[::2] for each in file.read().split(b"\0") if each]
    environment = dict(pairs)
    os.environb[b"PATH"] = environment.get(b"PATH", os.defpath.encode())
    try:
        return subprocess.Popen(
            command,
            stdin=None if has_stdin else subprocess.DEVNULL,
            cwd=f"/proc/{pid}/cwd",
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        status = 127 if isinstance(error, FileNotFoundError) else 126
        raise Wrong(status, f"OCI runtime exec failed: {error}") from error
