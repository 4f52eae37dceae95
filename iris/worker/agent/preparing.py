"""What an attempt needs before it may start: its bundle, its port."""

from __future__ import annotations

import hashlib
import socket
import threading
from pathlib import Path

from iris.bundles import unpack
from iris.domain.machine import VmMetadata
from iris.domain.protocol import AttemptSpec
from iris.errors import BadBundle
from iris.worker.agent.link import Link
from iris.worker.folders import VmFolder, write_private


class Preparer:
    """Fetches each bundle once, and lays it out for every attempt anew."""

    def __init__(self, folder: VmFolder, metadata: VmMetadata) -> None:
        self._folder = folder
        self._metadata = metadata
        self._fetching = threading.Lock()

    def prepare(self, spec: AttemptSpec, token: str) -> None:
        """Fill the attempt's work folder. Raises IrisError or OSError."""
        work = self._folder.work(spec.uid)
        work.mkdir(parents=True, exist_ok=True)
        if spec.bundle:
            unpack(self._bundle(spec.bundle, token), work)

    def _bundle(self, sha256: str, token: str) -> Path:
        kept = self._folder.bundles / sha256
        with self._fetching:
            if not kept.exists():
                link = Link(self._metadata)
                link.token = token
                content = link.fetch(f"/v1/bundles/{sha256}")
                if hashlib.sha256(content).hexdigest() != sha256:
                    raise BadBundle(f"bundle {sha256[:12]} arrived damaged")
                kept.parent.mkdir(parents=True, exist_ok=True)
                write_private(kept, content)
        return kept


def pick_port(address: str) -> int:
    """A port that is free now, for the gang's coordinator."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port
