"""The one emulator of a home: started, found again, given faults, ended with all in it.

It is a process of its own; nothing of it is imported here.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from iris import processes, wire
from iris.client.admin import Admin
from iris.clock import Clock, RealClock
from iris.errors import FellShort, IrisError, Late, NotThere, UsageError
from iris.files import make_private
from iris.images.engine import Engine
from iris.images.vm import SHARED_NAME, end_vms
from iris.paths import iris_home
from iris.providers._processes import reap, running_with, start_detached

Say = Callable[[str], None]

UP_WITHIN = 20.0  # seconds in which an emulator answers
GONE_WITHIN = 30.0  # seconds in which it and all in it have ended
UNWOUND_WITHIN = 10.0  # seconds in which one that has not come up yet lets go
LOOK = 0.02  # seconds between two looks
LAST_LINES = 3  # of its log, where it came to nothing
DELAYS = ("none", "google")
VMS = ("process", "docker")
_NEVER = threading.Event()


class Emulator(msgspec.Struct, frozen=True):
    """Where an emulator answers, and which process it is."""

    pid: int
    began: float
    compute_url: str
    tpu_url: str
    metadata_url: str
    admin_url: str
    project: str
    zone: str
    base_url: str
    ssh_port: int = 22
    vms: str = "process"
    registry: str = ""

    @property
    def admin(self) -> Admin:
        """Its own side."""
        return Admin(self.admin_url)

    @property
    def is_alive(self) -> bool:
        """Is that very process there?"""
        return processes.is_same(self.pid, self.began)

    @property
    def proxy_command(self) -> str:
        """How SSH gets to its VMs where their own port 22 cannot be dialled."""
        if self.ssh_port == 22 and self.vms == "process":
            return ""
        return f"{sys.executable} -m iris.emulator.dial {self.admin_url} %h %p"


class Rehearsal(msgspec.Struct, frozen=True):
    """What a program needs to know of a running emulator."""

    compute_url: str
    tpu_url: str
    metadata_url: str
    admin_url: str
    project: str
    zone: str


class Wanted(msgspec.Struct, frozen=True):
    """Which emulator; empty words are the emulator's own choice."""

    project: str = ""
    zone: str = ""
    port: int = 0
    delays: str = ""
    vms: str = ""


def start(wanted: Wanted, say: Say, clock: Clock | None = None) -> Emulator:
    """The emulator of this home, started where none runs. Raises Late, FellShort."""
    clock = clock or RealClock()
    if wanted.delays not in ("", *DELAYS):
        raise UsageError(f"--delays: expected none or google, got {wanted.delays!r}")
    folder = emulator_folder()
    make_private(folder)
    with _only_one_starts(folder):
        running = find()
        if running is None:
            say("starting the emulator")
            return _started(folder, wanted, clock)
    if wanted.port and f":{wanted.port}/" not in running.admin_url:
        raise UsageError(
            f"the emulator runs already, at {running.base_url}",
            hint="End it first: `inv rehearse.stop`.",
        )
    if wanted.vms and wanted.vms != running.vms:
        raise UsageError(
            f"the emulator that runs has VMs of kind {running.vms}",
            hint="End it first: `inv rehearse.stop`.",
        )
    return _opened(running, wanted)


def find() -> Emulator | None:
    """The emulator that runs; None where there is none."""
    try:
        found = wire.decode(_file().read_bytes(), Emulator)
    except (OSError, IrisError):
        return None
    return found if found.is_alive and found.admin.answers() else None


def running() -> Emulator:
    """The emulator that runs. Raises NotThere."""
    found = find()
    if found is None:
        raise NotThere(
            "no emulator runs in this home", hint="`inv rehearse.start` starts one."
        )
    return found


def stop(say: Say, clock: Clock | None = None) -> bool:
    """End it and every VM in it, and see that nothing lives. False: none ran."""
    clock = clock or RealClock()
    found = _last()
    if found is not None and found.is_alive:
        say("ending the emulator and every VM in it")
        _end(found, clock)
    _end_strays(clock)
    is_ended = found is not None
    _confirm_nothing_lives(clock)
    _forget()
    return is_ended


def shown(emulator: Emulator) -> Rehearsal:
    """What is said of it."""
    names = Rehearsal.__struct_fields__
    return Rehearsal(**{name: getattr(emulator, name) for name in names})


def emulator_folder() -> Path:
    """Where the emulator of this home lives."""
    return iris_home() / "emulator"


# -- the process ---------------------------------------------------------------------


def _started(folder: Path, wanted: Wanted, clock: Clock) -> Emulator:
    log = folder / "emulator.log"
    log_from = log.stat().st_size if log.exists() else 0
    _file().unlink(missing_ok=True)
    try:
        pid = start_detached(_words(folder, wanted), log=log, variables={})
        until = clock.now() + UP_WITHIN
        while (up := find()) is None:
            reap()
            if processes.started_at(pid) is None:
                raise FellShort(f"the emulator ended: {_last_words(log, log_from)}")
            if clock.now() > until:
                raise Late(f"the emulator does not answer after {UP_WITHIN:.0f} s")
            clock.wait(_NEVER, LOOK)
    except BaseException:  # whoever is interrupted leaves no half of one either
        _end_strays(clock)
        raise
    return up


def _words(folder: Path, wanted: Wanted) -> list[str]:
    words = [sys.executable, "-m", "iris.emulator", "--folder", str(folder)]
    flags = {
        "--project": wanted.project,
        "--zone": wanted.zone,
        "--port": str(wanted.port or ""),
        "--delays": wanted.delays,
        "--vms": wanted.vms,
    }
    for flag, value in flags.items():
        words += [flag, value] if value else []
    return words


def _opened(emulator: Emulator, wanted: Wanted) -> Emulator:
    """The same, with room for the project that is wanted."""
    project = wanted.project or emulator.project
    zone = wanted.zone or emulator.zone
    if wanted.project or wanted.zone:
        emulator.admin.open_project(project, zone)
    return msgspec.structs.replace(emulator, project=project, zone=zone)


def _end(emulator: Emulator, clock: Clock) -> None:
    # one that does not answer is left to the signal, and to a look
    with suppress(IrisError):
        emulator.admin.stop()
    if emulator.is_alive:
        processes.send(emulator.pid, signal.SIGTERM)
    until = clock.now() + GONE_WITHIN
    while emulator.is_alive:
        if clock.now() > until:
            processes.send(emulator.pid)
            return
        clock.wait(_NEVER, LOOK)


def _end_strays(clock: Clock) -> None:
    """One that was interrupted before it answered, and what one left that was killed.

    It is found by its words: no file tells of it yet.
    """
    words = ("-m", "iris.emulator", "--folder", str(emulator_folder()))
    until = clock.now() + UNWOUND_WITHIN
    for stray in running_with(words):
        processes.send(stray.pid, signal.SIGTERM)
    while strays := running_with(words):
        if clock.now() > until + GONE_WITHIN:
            raise FellShort(f"an emulator that was killed lives on: {strays[0].pid}")
        for stray in strays if clock.now() > until else ():
            processes.send(stray.pid)
        clock.wait(_NEVER, LOOK)
    reap()
    if (emulator_folder() / SHARED_NAME).is_dir():  # its VMs are containers
        end_vms(Engine(), emulator_folder(), clock)


def _forget() -> None:
    """What it kept must not come to life again; its log may tell something yet."""
    _file().unlink(missing_ok=True)
    folder = emulator_folder()
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.suffix not in (".log", ".lock"):
            path.unlink(missing_ok=True)


def _confirm_nothing_lives(clock: Clock) -> None:
    until = clock.now() + GONE_WITHIN
    while left := living():
        if clock.now() > until:
            for pid in left:
                processes.send(pid)
            raise FellShort(f"processes of the emulator lived on: {list(left)}")
        clock.wait(_NEVER, LOOK)


def living() -> tuple[int, ...]:
    """Processes of VMs of this home's emulator, by the root in their environment."""
    folder = f"{emulator_folder()}/"
    found = []
    for pid in processes.all_pids():
        root = processes.variables_of(pid).get("IRIS_ROOT", "")
        is_ours = root.startswith(folder) and pid != os.getpid()
        if is_ours and processes.started_at(pid) is not None:
            found.append(pid)
    return tuple(found)


def _last() -> Emulator | None:
    try:
        return wire.decode(_file().read_bytes(), Emulator)
    except (OSError, IrisError):
        return None


def _file() -> Path:
    return emulator_folder() / "emulator.json"


def _last_words(log: Path, start_at: int) -> str:
    text = log.read_bytes()[start_at:].decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-LAST_LINES:]) or "its log is empty"


@contextmanager
def _only_one_starts(folder: Path) -> Iterator[None]:
    with (folder / "start.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
