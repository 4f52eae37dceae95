"""Where the controller listens now, in a file that attempts may read again.

The file holds an address that answered as our cluster's, and nothing secret.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from iris.domain.machine import VmMetadata
from iris.errors import Unreachable
from iris.worker.agent.desk import Desk
from iris.worker.discovery import controller_url
from iris.worker.folders import VmFolder


def controller_file(folder: VmFolder, metadata: VmMetadata, uid: str) -> Path:
    """One for all attempts, save that a container sees its attempt's folder alone."""
    if metadata.runtime == "docker":
        return folder.controller_of(uid)
    return folder.controller


class Whereabouts:
    """Written before an attempt is prepared, and anew when the address changes."""

    def __init__(self, folder: VmFolder, metadata: VmMetadata, desk: Desk) -> None:
        self._folder = folder
        self._metadata = metadata
        self._desk = desk
        self._lock = threading.Lock()
        self._url = ""  # of the last answer

    def answered_at(self, url: str) -> None:
        """The controller answered there; what lives hears of it if that is news."""
        with self._lock:
            if url == self._url:
                return
            self._url = url
            live = {held.uid for held in self._desk.all() if not held.has_ended}
            for file in {self._folder.controller, *map(self._file, live)}:
                _write(file, url)

    def tell(self, uid: str) -> None:
        """An attempt is about to be prepared."""
        file = self._file(uid)
        with self._lock:
            if not self._url or file != self._folder.controller:
                with contextlib.suppress(OSError):
                    file.parent.mkdir(parents=True, exist_ok=True)
                _write(file, self._url or _last_known(self._metadata))

    def _file(self, uid: str) -> Path:
        return controller_file(self._folder, self._metadata, uid)


def _write(file: Path, url: str) -> None:
    # no room, or it is being removed: a program goes by where it was
    with contextlib.suppress(OSError):
        fresh = file.with_suffix(".new")
        fresh.write_text(f"{url}\n")
        fresh.chmod(0o644)
        fresh.replace(file)


def _last_known(metadata: VmMetadata) -> str:
    """Where the controller listens as far as that costs no question to the cloud."""
    if not metadata.controller_file:
        return metadata.controller_url
    try:
        return controller_url(metadata)
    except Unreachable:
        return metadata.controller_url  # away just now; the attempt runs on without
