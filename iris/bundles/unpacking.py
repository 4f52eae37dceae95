"""Lays a bundle out on a worker, and nothing outside of its folder."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from iris.bundles.links import stays_inside
from iris.errors import BadBundle

_MOST_BYTES = 200_000_000  # twice of what may be packed


def unpack(path: Path, into: Path, max_bytes: int = _MOST_BYTES) -> None:
    """Lay a bundle out in an empty folder, nothing outside of it. Raises BadBundle."""
    into.mkdir(parents=True, exist_ok=True)
    if any(into.iterdir()):
        raise BadBundle(f"{into} is not empty; a bundle goes into a folder of its own")
    links: set[PurePosixPath] = set()
    room = max_bytes
    try:
        with tarfile.open(path, "r:gz") as packed:
            for member in packed:
                room -= member.size
                if room < 0:
                    raise BadBundle(f"the bundle unpacks to more than {max_bytes} B")
                _unpack_one(packed, member, into, links)
        _require_inside(into, links)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise BadBundle(
            f"the bundle {path.name} cannot be unpacked: {error}"
        ) from error


def _require_inside(into: Path, links: set[PurePosixPath]) -> None:
    """Links that each stay inside by their text may together lead out."""
    top = into.resolve()
    for name in links:
        if not Path(os.path.realpath(into / name)).is_relative_to(top):
            raise BadBundle(f"the bundle has a link that leads out of it: {name}")


def _unpack_one(
    packed: tarfile.TarFile,
    member: tarfile.TarInfo,
    into: Path,
    links: set[PurePosixPath],
) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or links & set(name.parents):
        raise BadBundle(f"the bundle would write outside its folder: {name}")
    target = into / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.issym() and stays_inside(member):
        links.add(name)
        target.symlink_to(member.linkname)
        return
    source = packed.extractfile(member) if member.isreg() else None
    if source is None:
        raise BadBundle(f"the bundle holds what is neither a file nor a link: {name}")
    with target.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
        os.fchmod(file.fileno(), 0o755 if member.mode & stat.S_IXUSR else 0o644)
