"""A look at this VM before its slice gets work: its chips, its engine, its disk."""

from __future__ import annotations

import os

from iris.domain.machine import VmMetadata
from iris.errors import IrisError
from iris.worker.chips import chips, why_busy
from iris.worker.folders import VmFolder

UID = "self-test"


def why_unfit(folder: VmFolder, metadata: VmMetadata) -> str:
    """What would keep an attempt from running here; empty where nothing does."""
    return (
        _of_the_disk(folder)
        or _of_the_chips(metadata)
        or (_of_the_engine(folder, metadata) if metadata.runtime == "docker" else "")
    )


def _of_the_disk(folder: VmFolder) -> str:
    try:
        folder.attempts.mkdir(parents=True, exist_ok=True)
        path = folder.attempts / UID
        path.write_bytes(os.urandom(4096))
        path.unlink()
    except OSError as error:
        return f"{folder.attempts} cannot be written: {error.strerror}"
    return ""


def _of_the_chips(metadata: VmMetadata) -> str:
    """A VM without any device of a chip is no TPU VM, or a rehearsal's."""
    found, wanted = chips(), metadata.resources.chips
    if not (found and wanted):
        return ""
    if len(found) < wanted:
        return f"{len(found)} of {wanted} chips are there"
    return why_busy(found)


def _of_the_engine(folder: VmFolder, metadata: VmMetadata) -> str:
    """A container of the image that is here runs, with the chips, and ends."""
    from iris.worker.chips import devices
    from iris.worker.runtimes.engine import Engine, Wish

    engine = Engine(str(folder.root))
    wish = Wish(
        uid=UID,
        image=metadata.image,
        argv=("/bin/sh", "-c", ":"),
        env={},
        mounts=(str(folder.attempts),),
        work="/",
        devices=tuple(map(str, devices())) if metadata.resources.chips else (),
    )
    try:
        if not engine.has(metadata.image):
            return ""  # it is pulled for the first attempt that needs it
        engine.start(wish)
        end = engine.wait(UID)
    except (IrisError, ValueError) as error:
        return f"no container starts: {error}"
    finally:
        engine.remove(UID, tries=3)
    return "" if end.status == 0 else f"a container ends with status {end.status}"
