"""What an attempt needs before it may start: its image, its chips, its bundle."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from iris import wire
from iris.bundles import unpack
from iris.domain.machine import VmMetadata
from iris.domain.pages import AttemptSecrets
from iris.domain.protocol import AttemptSpec
from iris.errors import BadBundle, Held
from iris.worker.agent.caches import Caches
from iris.worker.agent.desk import Held as OnDesk
from iris.worker.agent.disk_room import DiskRoom
from iris.worker.agent.link import Link
from iris.worker.agent.setups import Setups
from iris.worker.chips import chips, why_busy
from iris.worker.folders import VmFolder, remove, write_private
from iris.worker.secret_files import write_secrets

if TYPE_CHECKING:
    from iris.worker.agent.images import Images

FETCHES = 3  # of a bundle that arrives damaged
MOST_KEPT = 1 << 30  # bytes of bundles; those used longest ago go first


class Preparer:
    """Fetches each bundle once, and lays it out for every attempt anew."""

    def __init__(
        self,
        folder: VmFolder,
        metadata: VmMetadata,
        token: Callable[[], str],
        caches: Caches,
        most_kept: int = MOST_KEPT,
    ) -> None:
        self._folder = folder
        self._metadata = metadata
        self._token = token
        self._most_kept = most_kept
        self._fetching = threading.Lock()
        self._images = _images_of(folder, metadata, caches)
        self._room = DiskRoom(folder, caches)
        self._setups = Setups(folder, metadata, caches)

    def is_needed(self, spec: AttemptSpec) -> bool:
        """Is there anything to wait for?"""
        uses_chips = bool(spec.resources.chips and chips())
        has_parts = spec.bundle or spec.secrets or spec.setup or spec.disk_bytes
        return bool(has_parts or self._images or uses_chips)

    def prepare(self, spec: AttemptSpec, desk: OnDesk) -> None:
        """Fill the attempt's work folder, and see that nobody has its chips.

        Raises Held while somebody has, Busy while the disk has less room than it asks
        for, FellShort where its set-up does not succeed, and IrisError or OSError.
        """
        _see_that_chips_are_free(spec)  # nothing is fetched in vain, again and again
        had_disk = desk.has_disk
        self._room.promise(desk)
        if not had_disk:
            desk.detail = ""  # from here on it waits for nothing that its VM lacks
        if self._images:
            self._images.ensure(spec.image or self._metadata.image)
        if spec.bundle:
            self._lay_out(spec)
        if spec.secrets:
            self._fetch_secrets(spec.uid)
        if spec.setup:
            bundle = self._bundle(spec.bundle) if spec.bundle else None
            self._setups.ensure(spec, bundle, desk)
        _see_that_chips_are_free(spec)

    def _lay_out(self, spec: AttemptSpec) -> None:
        bundle = self._bundle(spec.bundle)
        work = self._folder.work(spec.uid)
        remove(work)  # what an agent that was killed meanwhile laid out
        unpack(bundle, work)

    def _fetch_secrets(self, uid: str) -> None:
        """Into a file of the attempt's folder: no message or spec ever holds them."""
        link = Link(self._metadata, self._token)
        try:
            content = link.fetch(f"/v1/attempts/{uid}/secrets")
        finally:
            link.close()
        self._folder.attempt(uid).mkdir(parents=True, exist_ok=True)
        values = wire.decode(content, AttemptSecrets).values
        write_secrets(self._folder.secrets(uid), values)

    def _bundle(self, sha256: str) -> Path:
        kept = self._folder.bundles / sha256
        with self._fetching:
            if kept.exists():
                os.utime(kept)
                return kept
            content = self._fetch(sha256)
            kept.parent.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content))
            write_private(kept, content)
        return kept

    def _fetch(self, sha256: str) -> bytes:
        link = Link(self._metadata, self._token)
        try:
            for _ in range(FETCHES):
                content = link.fetch(f"/v1/bundles/{sha256}")
                if hashlib.sha256(content).hexdigest() == sha256:
                    return content
        finally:
            link.close()
        raise BadBundle(f"bundle {sha256[:12]} arrived damaged {FETCHES} times")

    def _make_room(self, size: int) -> None:
        found = [(path.stat(), path) for path in self._folder.bundles.iterdir()]
        total = size + sum(stat.st_size for stat, _ in found)
        for stat, path in sorted(found, key=lambda each: each[0].st_mtime):
            if total <= self._most_kept:
                return
            path.unlink()
            total -= stat.st_size


def _see_that_chips_are_free(spec: AttemptSpec) -> None:
    if spec.resources.chips and (words := why_busy(chips())):
        raise Held(words)


def pick_port(address: str) -> int:
    """A port that is free now, for the gang's coordinator."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def _images_of(folder: VmFolder, metadata: VmMetadata, caches: Caches) -> Images | None:
    """Where attempts are containers; else nothing of an engine is even loaded."""
    if metadata.runtime != "docker":
        return None
    from iris.worker.agent.images import Images
    from iris.worker.runtimes.engine import Engine

    def in_use() -> set[str]:
        return {metadata.image, *(spec.image for spec in caches.live_specs())}

    return Images(Engine(str(folder.root)), metadata.metadata_address, in_use)
