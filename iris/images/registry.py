"""A registry of this machine's own, on loopback: Debian's docker-registry.

What was pushed stays in its folder; the process lives as long as it is needed.
"""

from __future__ import annotations

import fcntl
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from iris import processes
from iris.clock import Clock
from iris.errors import FellShort, Held, NoEngine
from iris.paths import cache_folder
from iris.structs import learn

UP_WITHIN = 15.0  # seconds
GONE_WITHIN = 10.0  # seconds after which it is killed
_LOOK = 0.02  # seconds
_NEVER = threading.Event()
_CONFIG = """\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {store}}}
  delete: {{enabled: true}}
http: {{addr: {address}}}
{more}"""


class _Running(msgspec.Struct, frozen=True):
    """Which process it is; the pid alone may be another's by now."""

    pid: int
    began: float
    address: str


class LocalRegistry:
    """A registry with its store in a folder; `with` it, or start and stop it."""

    def __init__(
        self,
        clock: Clock,
        folder: Path | None = None,
        *,
        listen: str = "127.0.0.1",
        port: int = 0,  # any that is free
        more: str = "",  # further lines of its configuration
    ) -> None:
        self.folder = folder or cache_folder() / "registry"
        self.address = ""  # ADDRESS:PORT once it answers
        self._clock = clock
        self._listen, self._port, self._more = listen, port, more
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> LocalRegistry:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @staticmethod
    def program() -> str:
        """What serves it. Raises NoEngine."""
        found = shutil.which("docker-registry")
        if found is None:
            raise NoEngine(
                "there is no docker-registry on this machine",
                hint="Debian: apt-get install docker-registry.",
            )
        return found

    def start(self) -> str:
        """Its address, once it answers. Raises Held, NoEngine, FellShort."""
        program = self.program()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._hold()
        try:
            self.end_former()
            self._wait_for_answer(self._launch(program))
        except BaseException:  # whoever is interrupted leaves no process either
            self.stop()
            raise
        return self.address

    def _launch(self, program: str) -> subprocess.Popen[bytes]:
        port = self._port or _free_port(self._listen)
        self.address = f"{self._listen}:{port}"
        config = self.folder / "config.yml"
        config.write_text(self._config())
        with (self.folder / "log").open("wb") as log:
            process = self._process = subprocess.Popen(
                [program, "serve", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        pid = process.pid
        running = _Running(pid, processes.started_at(pid) or 0.0, self.address)
        self._running_file.write_bytes(msgspec.json.encode(running))
        return process

    def stop(self) -> None:
        """End it; doing so twice is the same as once."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(GONE_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(GONE_WITHIN)
            self._running_file.unlink(missing_ok=True)
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    @property
    def _running_file(self) -> Path:
        return self.folder / "running.json"

    def _config(self) -> str:
        store = msgspec.json.encode(str(self.folder / "store")).decode()
        return _CONFIG.format(store=store, address=self.address, more=self._more)

    def _hold(self) -> None:
        lock = (self.folder / "lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise Held(
                f"another process runs the registry of {self.folder}",
                hint="Wait until its push or its rehearsal is over.",
            ) from None
        self._lock = lock

    def end_former(self) -> None:
        """The one of somebody who was killed: nobody else would end it."""
        with suppress(OSError, msgspec.MsgspecError):
            former = learn(_Running).decode(self._running_file.read_bytes())
            if processes.is_same(former.pid, former.began):
                processes.send(former.pid)

    def _wait_for_answer(self, process: subprocess.Popen[bytes]) -> None:
        until = self._clock.now() + UP_WITHIN
        while process.poll() is not None or not _answers(self.address):
            if process.poll() is not None or self._clock.now() > until:
                log = (self.folder / "log").read_text(errors="replace").splitlines()
                words = next((li for li in log if "panic" in li), (log or [""])[-1])
                raise FellShort(f"the registry does not come up: {words}")
            self._clock.wait(_NEVER, _LOOK)


def _answers(address: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}/v2/", timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401  # it wants to know who asks
    except OSError:
        return False


def _free_port(listen: str) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((listen, 0))
        return int(probe.getsockname()[1])
