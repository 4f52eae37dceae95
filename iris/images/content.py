"""What an image is made of: the files, their tag by content, the context of a build."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

import iris
from iris.images.base import Base

COPIED = (
    *("LICENSE", "MANIFEST.in", "pyproject.toml", "requirements.lock"),
    *("setup.cfg", "setup.py", "bootstrap", "examples", "iris"),
)
_LEFT_OUT = {"__pycache__"}


class Recipe(msgspec.Struct, frozen=True):
    """One image, down to the last byte that goes into it."""

    part: str  # controller or worker
    root: Path  # of the checkout
    base_id: str
    base_name: str
    tag: str  # the same content, the same tag: `VERSION-CHECKSUM`
    with_gcloud: bool = False
    base_pin: str = ""  # its digest, else its id

    @classmethod
    def of(
        cls, part: str, root: Path, base: Base, *, with_gcloud: bool = False
    ) -> Recipe:
        """As the checkout is now; what changes there later is another recipe."""
        summed = hashlib.sha256()
        words = [part, base.content, "gcloud" if with_gcloud else ""]
        summed.update("\0".join(words).encode())
        for path in (root / dockerfile(part), *files_of(root)):
            content = hashlib.sha256(path.read_bytes()).digest()
            runs = b"x" if path.stat().st_mode & 0o100 else b""
            name = str(path.relative_to(root)).encode()
            summed.update(b"\0".join([name, runs, content]))
        tag = f"{iris.__version__}-{summed.hexdigest()[:12]}"
        return cls(part, root, base.id, base.name, tag, with_gcloud, base.pin)

    @property
    def name(self) -> str:
        """What it is called in the engine, whatever the cluster file calls it."""
        return f"iris-{self.part}:{self.tag}"


def dockerfile(part: str) -> str:
    """The Dockerfile of a part, by its path from the root."""
    return f"Dockerfile.{part}"


def files_of(root: Path) -> Iterator[Path]:
    """Every file that both images copy, in one order."""
    for name in COPIED:
        path = root / name
        if path.is_file():
            yield path
            continue
        for below in sorted(path.rglob("*")):
            if below.is_file() and not _LEFT_OUT & set(below.parts):
                yield below


def write_context(recipe: Recipe, wheels: Path, key: bytes, context: IO[bytes]) -> None:
    """What the engine is sent for a build, as a tarball without times and owners."""
    with tarfile.open(fileobj=context, mode="w") as tar:
        first = recipe.root / dockerfile(recipe.part)
        for path in (first, *files_of(recipe.root)):
            _add(tar, str(path.relative_to(recipe.root)), path)
        for path in sorted(wheels.iterdir()):
            _add(tar, f"wheels/{path.name}", path)
        if key:
            info = _info("gcloud-key/cloud.google.asc", len(key), 0o644)
            tar.addfile(info, io.BytesIO(key))
    context.seek(0)


def _add(tar: tarfile.TarFile, name: str, path: Path) -> None:
    mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    content = path.read_bytes()
    tar.addfile(_info(name, len(content), mode), io.BytesIO(content))


def _info(name: str, size: int, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    return info
