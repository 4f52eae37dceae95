"""A VM of this machine: its keeper, and the process groups that the keeper recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from iris import wire
from iris.errors import UsageError
from iris.files import write_private
from iris.paths import iris_home
from iris.processes import is_same
from iris.providers import _processes as processes

LAST_LINES = 3  # of keeper.log, where a keeper died


class KeeperFile(msgspec.Struct, frozen=True):
    """What a keeper says of itself once it runs; more than this may stand there."""

    pid: int
    began: float  # tells it from a later process of the same number


class JournalLine(msgspec.Struct, frozen=True):
    """What its journal says of one attempt; more than this may stand there."""

    event: str
    uid: str
    pid: int = 0
    began: float = 0.0


class Vm:
    """One VM's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start_keeper(self) -> None:
        """Start its keeper; a second one ends by itself."""
        words = [sys.executable, "-m", "iris.worker", "--vm", str(self.folder)]
        variables = {
            processes.VM_VARIABLE: str(self.folder),
            "IRIS_HOME": str(iris_home()),
        }
        log = self.folder / "keeper.log"
        write_private(self._boot_file, processes.boot().encode())
        processes.start_detached(words, log=log, variables=variables)

    def has_started(self) -> bool:
        """Did its keeper ever run?"""
        return (self.folder / "keeper.json").exists()

    def has_joined(self) -> bool:
        """Did it ever take work?"""
        return (self.folder / "worker.json").exists()

    def is_alive(self) -> bool:
        """Does its keeper run?"""
        return self.keeper() is not None

    def keeper(self) -> psutil.Process | None:
        """Its keeper, unless it has ended."""
        try:
            said = wire.decode((self.folder / "keeper.json").read_bytes(), KeeperFile)
        except (OSError, UsageError):
            return None
        if self._is_of_an_earlier_boot() or not is_same(said.pid, said.began):
            return None
        return processes.living(said.pid)

    def groups(self) -> set[int]:
        """The process groups of its attempts that have not ended, where still its own.

        A group's number is free again only once the group is empty, or the machine
        has booted: then it is a stranger's.
        """
        if self._is_of_an_earlier_boot():
            return set()
        open_: dict[str, JournalLine] = {}
        for line in self._journal():
            if line.event == "started":
                open_[line.uid] = line
            elif line.event == "ended":
                open_.pop(line.uid, None)
        return {
            line.pid
            for line in open_.values()
            if processes.living(line.pid) is None or is_same(line.pid, line.began)
        }

    def _is_of_an_earlier_boot(self) -> bool:
        try:
            return self._boot_file.read_text() != processes.boot()
        except FileNotFoundError:
            return False

    @property
    def _boot_file(self) -> Path:
        return self.folder / "boot"

    def _journal(self) -> Iterator[JournalLine]:
        try:
            lines = (self.folder / "journal").read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            with suppress(UsageError):  # the last one may be half written
                yield wire.decode(line, JournalLine)

    def last_words(self) -> str:
        """What its keeper's log ends with, for a person to read."""
        try:
            lines = (self.folder / "keeper.log").read_text(errors="replace").split("\n")
        except OSError:
            lines = []
        said = " | ".join([line for line in lines if line.strip()][-LAST_LINES:])
        return f"the keeper of {self.folder.name} is dead" + (
            f": {said}" if said else ""
        )
