"""Bundles on the state disk, each under the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from iris.errors import NotThere, StoreFailed, UsageError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1 << 20
_FRESH = 60.0  # seconds between two notes that a bundle was asked for


class BundleStore:
    """Keeps and hands out bundles; what lies under a name has that hash."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now
        self._lock = threading.Lock()  # between who asks and what deletes
        folder.mkdir(parents=True, exist_ok=True)
        for draft in folder.glob("*.new"):
            draft.unlink()  # an upload that a crash cut short

    def has(self, sha256: str) -> bool:
        """Is the bundle here? Who asks is about to use it: it stays for a while."""
        if not _SHA256.fullmatch(sha256):
            return False
        path, now = self._path(sha256), self._now()
        with self._lock, suppress(FileNotFoundError):
            if abs(now - path.stat().st_mtime) > _FRESH:
                os.utime(path, (now, now))
            return True
        return False

    def asked_at(self) -> dict[str, float]:
        """When each bundle was asked for."""
        found = {}
        for entry in os.scandir(self._folder):
            if _SHA256.fullmatch(entry.name):
                found[entry.name] = entry.stat().st_mtime
        return found

    def delete(self, sha256: str, asked_before: float) -> int:
        """Forget a bundle that nobody asked for since; returns its size, or 0."""
        path = self._path(sha256)
        with self._lock, suppress(FileNotFoundError):
            found = path.stat()
            if found.st_mtime < asked_before:
                path.unlink()
                return found.st_size
        return 0

    def path(self, sha256: str) -> Path:
        """The file of a bundle. Raises NotThere."""
        if not self.has(sha256):
            raise NotThere(f"there is no bundle {sha256[:80]!r}")
        return self._path(sha256)

    def keep(self, sha256: str, content: BinaryIO) -> int:
        """Keep a bundle; returns its size. Raises UsageError and StoreFailed."""
        if not _SHA256.fullmatch(sha256):
            raise UsageError(f"a bundle's name is 64 hex digits, got {sha256[:80]!r}")
        if self.has(sha256):
            return self._path(sha256).stat().st_size
        draft = self._folder / f"{secrets.token_hex(8)}.new"
        try:
            return self._keep(sha256, content, draft)
        except OSError as error:
            raise StoreFailed(f"cannot keep a bundle: {error.strerror}") from error
        finally:
            draft.unlink(missing_ok=True)

    def _keep(self, sha256: str, content: BinaryIO, draft: Path) -> int:
        digest = hashlib.sha256()
        with draft.open("xb") as file:
            while block := content.read(_BLOCK):
                digest.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        if digest.hexdigest() != sha256:
            raise UsageError(
                f"the bundle's SHA-256 is {digest.hexdigest()}, not {sha256}"
            )
        os.utime(draft, (self._now(), self._now()))
        draft.rename(self._path(sha256))
        return size

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256
