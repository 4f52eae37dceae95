"""What the images stand on: a registry's base, or one made here where none answers.

A base that is made is a small Debian by debootstrap, from this machine's own package
sources; it is cached as an image of the engine and as a tarball of the user's cache.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from iris.errors import IrisError, NotFound
from iris.images import debian
from iris.images.engine import PLATFORM, Engine, Image
from iris.images.names import ImageName
from iris.paths import cache_folder

Say = Callable[[str], None]

DEFAULT = "python:3.12-slim-bookworm"  # as the Dockerfiles have it
MADE = "iris-base:bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-venv")
PULL_DEADLINE = 600.0  # seconds
IMPORT_DEADLINE = 300.0  # seconds
_LEAVE_OUT = (
    *("var/cache/apt", "var/lib/apt/lists", "var/log"),
    *("usr/share/doc", "usr/share/locale", "usr/share/man"),
)


class Base(msgspec.Struct, frozen=True):
    """A base that the engine has."""

    name: str
    id: str
    is_made_here: bool
    layers: str = ""  # of one made here, whose id is another at each import
    digest: str = ""  # in the registry that it was pulled from

    @property
    def content(self) -> str:
        """The same for the same content."""
        return self.layers or self.id

    @property
    def pin(self) -> str:
        """Which one it is, whatever its tag means tomorrow."""
        return self.digest or self.id


def find_base(engine: Engine, named: str = "") -> Base | None:
    """The base that the engine has already: the one named, else any that will do."""
    names = (named,) if named else (DEFAULT, MADE)
    have = engine.images(*names)
    for name in names:
        if name in have:
            return _base(name, have[name])
    return None


def ensure_base(engine: Engine, say: Say, named: str = "") -> Base:
    """A base, pulled or made where the engine has none. Raises NotFound."""
    found = find_base(engine, named)
    if found is not None:
        return found
    name = named or DEFAULT
    try:
        say(f"pulling the base image {name}")
        words = ("pull", "--quiet", "--platform", PLATFORM, name)
        engine.run(*words, about=f"base image {name}", deadline=PULL_DEADLINE)
    except IrisError as error:
        if named:
            raise NotFound(
                f"the base image cannot be had: {error}",
                hint="Is its name right, and its registry reached? Without --base one "
                "is made on this machine where it can be.",
            ) from error
        return _made_in_its_place(engine, say, error)
    return _base(name, engine.images(name)[name])


def make_base(
    engine: Engine,
    say: Say,
    *,
    name: str = MADE,
    packages: tuple[str, ...] = PACKAGES,
) -> str:
    """The id of an image with a small Debian and these packages, made here.

    Cached: the engine's own image, else the tarball, else debootstrap. Raises
    NotFound where this machine cannot make one.
    """
    found = engine.images(name)
    if name in found:
        return found[name].id
    tarball = tarball_of(name, packages)
    if tarball.is_file():
        say(f"importing {name} from {tarball}")
    else:
        say(f"making {name} by debootstrap, which takes about a minute")
        _write_tarball(tarball, packages, say)
        say(f"{name} is kept in {tarball}")
    words = ("import", "--platform", PLATFORM, "--change", 'CMD ["bash"]')
    about = f"base image {name} cannot be imported"
    engine.run(*words, str(tarball), name, about=about, deadline=IMPORT_DEADLINE)
    return engine.images(name)[name].id


def tarball_of(name: str, packages: tuple[str, ...]) -> Path:
    """Where a base that was made is kept; other packages make another."""
    words = "+".join([*sorted(packages)]).encode()
    kind = f"{debian.checksum(words)[:12]}"
    plain = name.replace("/", "-").replace(":", "-")
    return cache_folder() / "bases" / f"{plain}-{kind}.tar"


def _base(name: str, image: Image) -> Base:
    is_made_here = name == MADE
    layers = ",".join(image.layers) if is_made_here else ""
    return Base(name, image.id, is_made_here, layers, _digest(name, image))


def _digest(name: str, image: Image) -> str:
    wanted = ImageName.parse(name)
    found = map(ImageName.parse, image.digests)
    pulled = (each.digest for each in found if wanted.place.endswith(each.place))
    return wanted.digest or next(pulled, "")


def _made_in_its_place(engine: Engine, say: Say, why: IrisError) -> Base:
    say(f"{why}; a base is made here instead")
    try:
        make_base(engine, say)
        return _base(MADE, engine.images(MADE)[MADE])
    except NotFound as error:
        raise NotFound(f"{why}; nor can one be made: {error}", error.hint) from error


def _write_tarball(tarball: Path, packages: tuple[str, ...], say: Say) -> None:
    if platform.machine() != "x86_64":
        raise NotFound(
            f"a base for {PLATFORM} cannot be made on {platform.machine()}",
            hint="Name one that can be pulled: `inv build --base IMAGE`.",
        )
    tarball.parent.mkdir(parents=True, exist_ok=True)
    # not in /tmp: that may hold no devices and run no programs
    folder = Path(tempfile.mkdtemp(dir=tarball.parent, prefix=".new-"))
    draft = folder / "base.tar"
    try:
        debian.install(folder / "root", packages, say)
        debian.pack(folder / "root", draft, leave_out=_LEAVE_OUT)
        os.replace(draft, tarball)
    finally:
        debian.unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)
