"""Projects: their numbers, and the metadata that all their VMs share."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import msgspec

from iris.emulator.core import Core


class Project(msgspec.Struct, frozen=True):
    """One project; any that is asked for exists."""

    id: str
    number: int
    metadata: dict[str, str] = {}
    metadata_version: int = 1


class Projects:
    """The projects that were spoken of."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.on_metadata: list[Callable[[str], None]] = []  # called with its id
        self._projects = core.shelf("project", Project)

    def get(self, project_id: str) -> Project:
        """The project, as it stands."""
        with self._core.lock:
            found = self._projects.find(project_id)
            number = 100_000_000_000 + zlib.crc32(project_id.encode())
            return found or self.put(Project(project_id, number))

    def put(self, project: Project) -> Project:
        """Keep what changed."""
        return self._projects.put(project.id, project)

    def set_metadata(self, project_id: str, metadata: dict[str, str]) -> None:
        """Other metadata, which all its VMs see at once."""
        found = self.get(project_id)
        version = found.metadata_version + 1
        changed = {"metadata": metadata, "metadata_version": version}
        self.put(msgspec.structs.replace(found, **changed))
        for tell in self.on_metadata:
            tell(project_id)

    def default_account(self, project_id: str) -> str:
        """The account that VMs have unless another is named."""
        number = self.get(project_id).number
        return f"{number}-compute@developer.gserviceaccount.com"
