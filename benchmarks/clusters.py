"""Clusters of this machine for benchmarks, each in a home of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.measuring import INV, seconds_of
from iris.domain.machine import AddressFile
from iris.paths import iris_home

LOCAL = "local.yaml"
CLEANUP = [INV, "cleanup", "--no-dry-run"]


@contextmanager
def cluster(config: str) -> Iterator[None]:
    """A cluster of a file, in a home of its own."""
    with home():
        try:
            seconds_of([INV, "cluster.start", "--config", config])
            yield
        finally:
            seconds_of(CLEANUP)


@contextmanager
def cluster_of(text: str) -> Iterator[None]:
    """A cluster of a file with this text."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cluster.yaml"
        file.write_text(text)
        with cluster(str(file)):
            yield


@contextmanager
def home() -> Iterator[None]:
    """A home of its own, so that no cluster of a person's is touched."""
    before = os.environ.get("IRIS_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["IRIS_HOME"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["IRIS_HOME"]
            else:
                os.environ["IRIS_HOME"] = before


def controller_pid() -> int:
    """The process of the one controller of this home."""
    (file,) = iris_home().glob("local/*/controller/address.json")
    return msgspec.json.decode(file.read_bytes(), type=AddressFile).pid
