"""Which images a cluster runs, by digest: written by `push`, read when it is started.

It lies beside the cluster file (`eu-west4.yaml`, `eu-west4.images.json`), to travel
with it. A rehearsal has its own, in the home: what it ran is nobody else's.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec

from iris.config import ClusterConfig, differences, parse_config
from iris.config.places import replace_values
from iris.errors import BadClusterFile, UsageError
from iris.images.names import ImageName
from iris.paths import iris_home
from iris.structs import learn

PARTS = ("controller", "worker")


class LockedImage(msgspec.Struct, frozen=True):
    """An image as the cluster file names it, and what was pushed under that name."""

    name: str
    tag: str  # by content
    digest: str


class ImageLock(msgspec.Struct, frozen=True):
    """What was pushed last for a cluster file."""

    controller: LockedImage
    worker: LockedImage
    version: str
    commit: str
    base: str  # what both images stand on, by its id


def lock_file(config_path: str, cluster: str, *, is_rehearsal: bool) -> Path:
    """Where the lock of a cluster file lies."""
    if is_rehearsal:
        return iris_home() / "images" / f"{cluster}.images.json"
    return Path(config_path).with_suffix(".images.json")


def find_lock(path: Path) -> ImageLock | None:
    """The lock, None without one. Raises UsageError for one that cannot be read."""
    try:
        return learn(ImageLock).decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(
            f"{path} is no lock of images: {error}",
            hint="Remove it, or write it anew: `inv push --config FILE`.",
        ) from error


def write_lock(path: Path, lock: ImageLock) -> None:
    """Put it there in one step. Raises UsageError where nobody may write."""
    text = msgspec.json.format(msgspec.json.encode(lock), indent=2) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=".new-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        Path(draft).chmod(0o644)  # it travels with the cluster file
        Path(draft).replace(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}",
            hint="Copy the cluster file to a folder of your own and name it there.",
        ) from error


def pin(text: str, config: ClusterConfig, lock: ImageLock | None) -> str:
    """The cluster file with each image that is locked named by its digest."""
    wanted = pins(config, lock)
    if not wanted:
        return text
    paths: dict[tuple[str, ...], str] = {}
    for part, name in wanted.items():
        paths[part, "image"] = name
    pinned = replace_values(text, paths)
    for part, name in wanted.items():
        below = msgspec.structs.replace(getattr(config, part), image=name)
        config = msgspec.structs.replace(config, **{part: below})
    if not _says(pinned, config):
        raise BadClusterFile(
            f"the images of cluster {config.name!r} cannot be named by digest there",
            hint="Write each `image:` plainly, without an anchor or an alias.",
        )
    return pinned


def _says(text: str, config: ClusterConfig) -> bool:
    try:
        return not differences(parse_config(text), config)
    except BadClusterFile:  # an anchor went with what it stood at
        return False


def pins(config: ClusterConfig, lock: ImageLock | None) -> dict[str, str]:
    """Per part the name by digest; the lock says nothing of another name."""
    found = {}
    for part in PARTS if lock else ():
        locked: LockedImage = getattr(lock, part)
        if getattr(config, part).image == locked.name:
            found[part] = str(ImageName.parse(locked.name).pinned(locked.digest))
    return found


def strays(config: ClusterConfig, lock: ImageLock | None) -> tuple[str, ...]:
    """What the lock has under a name that the cluster file no longer says."""
    lines = []
    for part in PARTS if lock else ():
        locked, named = getattr(lock, part), getattr(config, part).image
        if named != locked.name and not ImageName.parse(named).digest:
            lines.append(
                f"the lock has the {part}'s image {locked.name}, the cluster file "
                f"names {named}: not pinned"
            )
    return tuple(lines)
