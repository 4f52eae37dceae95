"""Which images a cluster runs, and where that is not what its lock says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from iris.config import parse_config
from iris.errors import BadClusterFile
from iris.images.lock import PARTS, find_lock, lock_file, pins, strays
from iris.operations.images import as_written
from iris.session import Session

Say = Callable[[str], None]


def tell_images(session: Session, say: Say) -> None:
    """Say what is about to run by digest, and what the lock cannot pin."""
    for part, name in images_of(session.config_text).items():
        if "@" in name:
            say(f"the {part}'s image is {name}")
    lock = find_lock(_lock_file(session))
    for line in strays(session.config, lock):
        say(line)


def images_of(text: str) -> dict[str, str]:
    """The images that a cluster file names; none where this Iris cannot read it."""
    try:
        config = parse_config(text)
    except BadClusterFile:
        return {}
    named = {part: str(getattr(config, part).image) for part in PARTS}
    return {part: name for part, name in named.items() if name}


def disagreements(session: Session, running_text: str) -> tuple[str, ...]:
    """Where the running file names another image than the lock."""
    try:
        lock = find_lock(_lock_file(session))
        wanted = pins(as_written(session).config, lock)
    except BadClusterFile:
        return ()  # the file is gone or broken: nothing to compare with
    running = images_of(running_text)
    return tuple(
        f"the {part} runs {running.get(part, 'no image')}, the lock says {name}: "
        f"`inv cluster.restart --config {session.file_path}` applies it"
        for part, name in wanted.items()
        if running.get(part) != name
    )


def _lock_file(session: Session) -> Path:
    return lock_file(
        session.file_path, session.cluster, is_rehearsal=session.is_rehearsal
    )
