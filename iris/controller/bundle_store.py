"""Bundles on the state disk, each under the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import BinaryIO

from iris.errors import NotThere, StoreFailed, UsageError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1 << 20


class BundleStore:
    """Keeps and hands out bundles; what lies under a name has that hash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for draft in folder.glob("*.new"):
            draft.unlink()  # an upload that a crash cut short

    def has(self, sha256: str) -> bool:
        """Is the bundle here?"""
        return bool(_SHA256.fullmatch(sha256)) and self._path(sha256).exists()

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
        draft.rename(self._path(sha256))
        return size

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256
