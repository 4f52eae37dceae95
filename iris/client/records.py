"""What a person's machine remembers of its clusters: the file as started, a token.

$IRIS_HOME/clusters/NAME/   record.json, cluster.yaml, token: 0600 in a 0700 folder
$IRIS_HOME/last             the name of the cluster that was started last
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import msgspec

from iris import wire
from iris.domain.endpoints import Endpoints
from iris.errors import NoCluster, UsageError
from iris.files import make_private, write_private
from iris.paths import iris_home


class Record(msgspec.Struct, frozen=True):
    """One cluster, as it was started or found from here."""

    cluster: str
    cluster_uid: str
    config_path: str  # where the file lay; what it said is kept beside the record
    url: str = ""  # of the controller when it was last seen; it may have moved
    rehearsal: bool = False
    started_at: float = 0.0
    endpoints: Endpoints = Endpoints()  # of a rehearsal's emulator; empty: the cloud's
    proxy_command: str = ""  # how SSH gets to its VMs, in place of what the file says


def save(record: Record, *, config_text: str, token: str = "") -> None:
    """Remember a cluster, and that it was the last; a token once had is kept."""
    folder = record_folder(record.cluster)
    make_private(folder)
    write_private(folder / "cluster.yaml", config_text.encode())
    if token:
        write_private(token_file(record.cluster), f"{token}\n".encode())
    # the record last: whoever finds it finds the rest
    write_private(folder / "record.json", wire.encode(record) + b"\n")
    write_private(_last_file(), f"{record.cluster}\n".encode())


def load(cluster: str) -> Record:
    """The record of a cluster. Raises NoCluster."""
    path = record_folder(cluster) / "record.json"
    try:
        return wire.decode(path.read_bytes(), Record)
    except FileNotFoundError:
        raise NoCluster(
            f"there is no record of a cluster {cluster!r} on this machine",
            hint=_hint(),
        ) from None
    except (OSError, UsageError) as error:
        raise NoCluster(
            f"the record {path} cannot be read: {error}",
            hint="`inv cluster.start --config FILE` writes it anew.",
        ) from error


def find(cluster: str) -> Record | None:
    """The record of a cluster, None if there is none."""
    if not (record_folder(cluster) / "record.json").exists():
        return None
    return load(cluster)


def list_records() -> tuple[Record, ...]:
    """Every record that can be read, by name."""
    found = []
    for name in _names():
        with suppress(NoCluster):
            found.append(load(name))
    return tuple(found)


def last() -> Record:
    """The record of the cluster that was started last. Raises NoCluster."""
    try:
        name = _last_file().read_text().strip()
    except FileNotFoundError:
        raise NoCluster(
            "no cluster was started from this machine", hint=_hint()
        ) from None
    return load(name)


def forget(cluster: str) -> None:
    """Remember a cluster no longer; absence is success."""
    with suppress(FileNotFoundError):
        if _last_file().read_text().strip() == cluster:
            _last_file().unlink()
    with suppress(FileNotFoundError):
        # the record first: half a folder is no record
        (record_folder(cluster) / "record.json").unlink()
    with suppress(FileNotFoundError):
        shutil.rmtree(record_folder(cluster))


def config_text(cluster: str) -> str:
    """The cluster file as it was started, byte for byte. Raises NoCluster."""
    path = record_folder(cluster) / "cluster.yaml"
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise NoCluster(
            f"the cluster file of {cluster!r} cannot be read: {error}",
            hint="Name it: `--config FILE`.",
        ) from error


def token(cluster: str) -> str:
    """The token that speaks for a person to a cluster. Raises NoCluster."""
    try:
        return token_file(cluster).read_text().strip()
    except OSError as error:
        raise NoCluster(
            f"there is no token of cluster {cluster!r} here: {error.strerror}",
            hint="`inv cluster.start` fetches it from the cluster that runs.",
        ) from error


def token_file(cluster: str) -> Path:
    """Where the token of a cluster lies."""
    return record_folder(cluster) / "token"


def record_folder(cluster: str) -> Path:
    """The folder of a cluster's record; its name is no path to elsewhere."""
    if Path(cluster).name != cluster or cluster in ("", ".", ".."):
        raise NoCluster(f"{cluster!r} is no cluster's name")
    return iris_home() / "clusters" / cluster


def _names() -> list[str]:
    folder = iris_home() / "clusters"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _last_file() -> Path:
    return iris_home() / "last"


def _hint() -> str:
    names = _names()
    if names:
        known = ", ".join(names)
        return f"There is: {known}. Name one with `--cluster NAME`, or start another."
    return (
        "Start one: `inv cluster.start --config FILE`. One that runs without a record "
        "is found by its file too: `--config FILE`."
    )
