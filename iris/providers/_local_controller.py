"""The controller of this machine: a process, its folder, its state disk."""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

from iris import wire
from iris.clock import Clock
from iris.domain.machine import AddressFile
from iris.errors import AlreadyExists, NotFound, UsageError
from iris.files import make_private, write_private
from iris.paths import iris_home
from iris.processes import is_same, started_at
from iris.providers import _folders as folders
from iris.providers import _processes as processes
from iris.providers.contract import ControllerMachine, ControllerRequest, Phase

ZONE = "local"
STOP_PATIENCE = 20.0  # seconds for the controller's own order of stopping
END_PATIENCE = 10.0  # seconds for a killed process to be gone
_NEVER = threading.Event()
T = TypeVar("T")


class MachineFile(msgspec.Struct, frozen=True):
    """The machine's labels; the controller reads its cluster's uid here."""

    cluster_uid: str
    created_at: float
    pid: int = 0  # 0 until its process was started
    began: float = 0.0  # tells it from a later process of the same number


class DiskFile(msgspec.Struct, frozen=True):
    """The state disk's labels."""

    cluster_uid: str
    created_at: float


class LocalController:
    """The folders `controller/` and `state/` of one cluster."""

    def __init__(self, cluster: str, folder: Path, clock: Clock) -> None:
        self.name = f"{cluster}-controller"
        self.machine = folder / "controller"
        self.state = folder / "state"
        self._cluster = cluster
        self._folder = folder
        self._clock = clock

    def create(self, request: ControllerRequest) -> ControllerMachine:
        """Start it on its state disk; a machine whose process died starts again."""
        make_private(self.machine)
        make_private(self.state)
        with self._only_one_starts():
            running = self._process()
            if running is not None:
                raise AlreadyExists(
                    f"cluster {self._cluster} runs already: "
                    f"its controller is process {running.pid}"
                )
            uid = self._own_disk(request.cluster_uid).cluster_uid
            write_private(self.machine / "config.yaml", _text(request))
            labels = MachineFile(uid, self._clock.now())
            self._label(labels)
            pid = self._start()
            began = started_at(pid) or 0.0
            self._label(msgspec.structs.replace(labels, pid=pid, began=began))
        return ControllerMachine(
            self.name, uid, ZONE, Phase.CREATING, labels.created_at
        )

    def delete(self) -> None:
        """Let it stop in its own order, then make sure; its log stays to be read."""
        process = self._process()
        if process is not None:
            with suppress(psutil.Error):
                process.terminate()
            self._wait_for_end(process.pid)
        processes.end_all(self._processes, self._clock, END_PATIENCE)
        processes.reap()
        for name in ("machine.json", "config.yaml"):
            (self.machine / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """End it and take its folder away."""
        self.delete()
        folders.remove_folder(self.machine)

    def remove_disk(self) -> None:
        """Take the state away."""
        folders.remove_folder(self.state)

    def tidy(self) -> None:
        """Take the cluster's folder away once there is nothing in it."""
        if not any(self._things()):
            folders.remove_folder(self._folder)

    def look(self) -> ControllerMachine | None:
        """The machine as it stands, None where there is none."""
        processes.reap()
        process = self._process()
        labels = _read(self.machine / "machine.json", MachineFile)
        if labels is None and process is None:
            return None
        return ControllerMachine(
            name=self.name,
            cluster_uid=labels.cluster_uid if labels else self.uid(),
            zone=ZONE,
            phase=Phase.STOPPED if process is None else Phase.UP,
            created_at=labels.created_at if labels else 0.0,
            address=self._address_of(process),
        )

    def uid(self) -> str:
        """The cluster's uid as its state disk has it, empty where it is unknown."""
        disk = _read(self.state / "disk.json", DiskFile)
        if disk is not None:
            return disk.cluster_uid
        labels = _read(self.machine / "machine.json", MachineFile)
        return labels.cluster_uid if labels else ""

    def disk(self) -> DiskFile | None:
        """The state disk, None where there is none."""
        if not self.state.is_dir():
            return None
        labels = _read(self.state / "disk.json", DiskFile)
        return labels or DiskFile(self.uid(), self.state.stat().st_mtime)

    def read(self, name: str) -> bytes:
        """One of the two files that people are shown. Raises NotFound."""
        folder = {"operator.token": self.state, "controller.log": self.machine}
        if name not in folder:
            raise NotFound(f"{name}: no file of a controller; there is: {[*folder]}")
        try:
            return (folder[name] / name).read_bytes()
        except OSError as error:
            raise NotFound(f"{folder[name] / name}: {error.strerror}") from error

    @contextmanager
    def _only_one_starts(self) -> Iterator[None]:
        """Hold the lock that one terminal gets. Raises AlreadyExists."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        lock = os.open(self._folder / "starting.lock", flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"process {os.getpid()}".encode(), 0)
            yield
        except BlockingIOError as error:
            holder = os.pread(lock, 100, 0).decode() or "another process"
            raise AlreadyExists(
                f"cluster {self._cluster} is being started by {holder}",
                hint="Wait for it: `inv cluster.status` says when the cluster answers. "
                "If nothing comes of it, end that process and start again.",
            ) from error
        finally:
            os.close(lock)

    def _own_disk(self, cluster_uid: str) -> DiskFile:
        disk = _read(self.state / "disk.json", DiskFile)
        if disk is None:
            disk = DiskFile(cluster_uid, self._clock.now())
            write_private(self.state / "disk.json", wire.encode(disk))
        return disk

    def _label(self, labels: MachineFile) -> None:
        write_private(self.machine / "machine.json", wire.encode(labels))

    def _start(self) -> int:
        words = [sys.executable, *self._words(), "--state", str(self.state)]
        log = self.machine / "controller.log"
        variables = {"IRIS_HOME": str(iris_home())}
        return processes.start_detached(words, log=log, variables=variables)

    def _words(self) -> list[str]:
        return ["-m", "iris.controller", "--machine", str(self.machine)]

    def _process(self) -> psutil.Process | None:
        labels = _read(self.machine / "machine.json", MachineFile)
        # by its start, not by its words: just started, a process shows none yet
        if labels and labels.pid and is_same(labels.pid, labels.began):
            return processes.living(labels.pid)
        # whoever started it died before it wrote the number down, or it is dead
        return next(iter(self._processes()), None)

    def _processes(self) -> list[psutil.Process]:
        return processes.running_with(self._words())

    def _wait_for_end(self, pid: int) -> None:
        until = self._clock.now() + STOP_PATIENCE
        while processes.living(pid) is not None and self._clock.now() < until:
            self._clock.wait(_NEVER, processes.PAUSE)

    def _address_of(self, process: psutil.Process | None) -> str:
        said = _read(self.machine / "address.json", AddressFile)
        if process is None or said is None or said.pid != process.pid:
            return ""
        return said.url.removeprefix("http://")

    def _things(self) -> Iterator[Path]:
        yield from (path for path in (self.machine, self.state) if path.is_dir())
        yield from folders.subfolders(self._folder / "slices")


def _text(request: ControllerRequest) -> bytes:
    return request.config_text.encode()


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return wire.decode(path.read_bytes(), kind)
    except (OSError, UsageError):
        return None
