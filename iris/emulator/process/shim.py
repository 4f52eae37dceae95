"""Parent of one container's processes: restarts its command, ends its whole tree.

`python shim.py CONTAINER_FOLDER`: SIGTERM asks the command to end, SIGUSR1 kills it.
Needs nothing but Python.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

SUBREAPER = 36  # prctl: orphans of ours become our children
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds before it starts again
LONG = 10.0  # seconds after which a run counts as one that went well
KEPT = ("IRIS_EMULATED_VM", "LD_LIBRARY_PATH")  # of the VM's variables


class Shim:
    """One container."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec = json.loads((folder / "spec.json").read_text())
        self.pid = 0
        self.restarts = 0
        self.is_over = False  # it ends, and does not start again

    def run(self) -> None:
        """Until it has ended for good."""
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGTERM, lambda *_: self._end(signal.SIGTERM))
        signal.signal(signal.SIGUSR1, lambda *_: self._end(signal.SIGKILL))
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            code = self._run_once()
            if not self._goes_on(code):
                return
            pause = FIRST_PAUSE if time.monotonic() - began > LONG else pause
            if self._is_over_within(pause):
                return
            pause = min(pause * 2, LONGEST_PAUSE)
            self.restarts += 1

    def _goes_on(self, code: int) -> bool:
        policy = self.spec["restart"]
        if self.is_over or policy in ("", "no"):
            return False
        name, _, most = policy.partition(":")
        if name != "on-failure":
            return True
        return code != 0 and (not most or self.restarts < int(most))

    def _is_over_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not self.is_over and time.monotonic() < until:
            time.sleep(0.02)
        return bool(self.is_over)  # a signal may say so meanwhile

    def _run_once(self) -> int:
        self._bind()
        self.pid = os.fork()
        if self.pid == 0:
            self._become()
        self._say({"pid": self.pid})
        code = 0
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == self.pid:
                code = os.waitstatus_to_exitcode(status)
                break
        self.pid = 0
        end_all_below()
        self._say({"pid": 0, "exit_code": code if code >= 0 else 128 - code})
        return code

    def _bind(self) -> None:
        """What is mounted there later is not seen before the next start."""
        for source, target in self.spec["binds"] + self.spec["mounts"]:
            place = self.folder / "root" / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(source):
                os.makedirs(source)
            place.unlink(missing_ok=True)
            place.symlink_to(os.path.realpath(source))

    def _become(self) -> None:
        """In the child: the command, with the container's environment."""
        try:
            os.setsid()
            for number in (signal.SIGTERM, signal.SIGUSR1):
                signal.signal(number, signal.SIG_DFL)
            log = os.open(
                self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
            )
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.closerange(3, 256)
            command = self.spec["command"]
            os.execvpe(command[0], command, self._environment())
        except OSError as error:
            os.write(2, f"{error}\n".encode())
        os._exit(127)

    def _environment(self) -> dict[str, str]:
        root = self.folder / "root"
        programs = os.path.dirname(sys.executable)
        image = {
            "PATH": f"{programs}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(root / "root"),
            "LANG": "C.UTF-8",
            "IRIS_ROOT": str(root),
        }
        # which VM it is of; the rest of the VM's environment is not the container's
        image |= {k: os.environ[k] for k in KEPT if k in os.environ}
        os.environ.clear()  # execvpe looks for the command by the new PATH
        os.environ["PATH"] = image["PATH"]
        return {**image, **self.spec["env"]}

    def _end(self, number: int) -> None:
        self.is_over = True
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _say(self, state: dict[str, int]) -> None:
        draft = self.folder / "state.new"
        draft.write_text(json.dumps(state | {"restarts": self.restarts}))
        draft.replace(self.folder / "state.json")


def end_all_below() -> None:
    """Kill what is left of our descendants, and take leave of them."""
    while True:
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def descendants(root: int) -> set[int]:
    """Every process below one, by the parents that the kernel tells."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                stat = Path(f"/proc/{name}/stat").read_bytes()
                parents[int(name)] = int(stat.rpartition(b")")[2].split()[1])
    found = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found - {root}
        found |= more


if __name__ == "__main__":
    Shim(Path(sys.argv[1])).run()
