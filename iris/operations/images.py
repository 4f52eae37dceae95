"""Builds the images that a cluster file names: same content, same tag, built once."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

import iris
from iris.config import ClusterConfig, parse_config, read_text
from iris.errors import (
    BadClusterFile,
    EngineFailed,
    FellShort,
    IrisError,
    NotFound,
    NotPermitted,
)
from iris.images.base import Base, ensure_base, find_base
from iris.images.content import Recipe, dockerfile, write_context
from iris.images.engine import PLATFORM, Engine, Image
from iris.images.lock import PARTS
from iris.images.names import ImageName
from iris.images.refusals import refusal
from iris.images.wheels import fetch_wheels
from iris.operations.dev import checkout
from iris.paths import cache_folder
from iris.session import Session

Say = Callable[[str], None]

BUILD_DEADLINE = 1800.0  # seconds; a cold build takes one minute on two cores
GIT_DEADLINE = 20.0  # seconds
KEY_URL = "https://packages.cloud.google.com/apt/doc/apt-key.gpg"
_STEP = re.compile(
    r"(?:Step (?P<at>\d+/\d+) : |#\d+ \[.*?(?P<of>\d+/\d+)\] )(?P<what>.+)"
)


class Wanted(msgspec.Struct, frozen=True):
    """How a build differs from the ordinary one."""

    base: str = ""
    with_gcloud: bool = False
    root: Path | None = None  # a checkout other than this Iris's own

    @property
    def checkout(self) -> Path:
        """What goes into the images. Raises UsageError where there is no checkout."""
        return self.root or checkout()


class BuiltImage(msgspec.Struct, frozen=True):
    """An image that the engine has, and what the cluster file calls it."""

    part: str
    image: str  # under the cluster file's name, tagged by content
    id: str
    size_bytes: int  # with its base
    was_there: bool


class Built(msgspec.Struct, frozen=True):
    """Both images of a cluster file."""

    cluster: str
    base: str
    base_id: str
    base_digest: str  # where it was pulled; empty for one made here
    version: str
    commit: str
    images: tuple[BuiltImage, ...]


def as_written(session: Session) -> Session:
    """The same by its file alone, whatever is locked. Raises BadClusterFile."""
    path = session.file_path
    text = read_text(path)
    config = parse_config(text, path)
    return msgspec.structs.replace(
        session, config=config, config_text=text, config_path=path
    )


def build(session: Session, say: Say, wanted: Wanted = Wanted()) -> Built:
    """Build what is not there yet. Raises NoEngine, UsageError, NotFound and kin."""
    session = as_written(session)
    names = image_names(session.config, session.config_path)
    engine = Engine()
    engine.require()
    root = wanted.checkout
    base = ensure_base(engine, say, wanted.base)
    commit = commit_of(root)
    images = [
        _ensure_image(engine, _recipe(part, root, base, wanted), names[part], say)
        for part in PARTS
    ]
    return Built(
        cluster=session.cluster,
        base=base.name,
        base_id=base.id,
        base_digest=base.digest,
        version=iris.__version__,
        commit=commit,
        images=tuple(images),
    )


def plan_build(session: Session, wanted: Wanted = Wanted()) -> tuple[str, ...]:
    """What `build` would do."""
    session = as_written(session)
    names = image_names(session.config, session.config_path)
    engine = Engine()
    engine.require()
    base = find_base(engine, wanted.base)
    if base is None:
        what = wanted.base or "one that is pulled, or made by debootstrap"
        return (
            f"get the base image: {what}",
            *(f"build the {part}'s image {names[part].place}" for part in PARTS),
        )
    steps = []
    for part in PARTS:
        recipe = _recipe(part, wanted.checkout, base, wanted)
        image = str(names[part].tagged(recipe.tag))
        is_there = recipe.name in engine.images(recipe.name)
        steps.append(
            f"leave {image} alone: it is built" if is_there else f"build {image}"
        )
    return tuple(steps)


def image_names(config: ClusterConfig, path: str) -> dict[str, ImageName]:
    """What a cluster file calls its images. Raises BadClusterFile, UsageError."""
    names = {part: ImageName.parse(getattr(config, part).image) for part in PARTS}
    for part, name in names.items():
        if not name.repository:
            raise BadClusterFile(
                f"{path}: {part}/image: no image is named",
                hint="A cluster of provider local needs none. examples/eu-west4.yaml "
                "names both.",
            )
    if names["controller"].place == names["worker"].place:
        raise BadClusterFile(
            f"{path}: worker/image: expected another name than the controller's, got "
            f"{names['worker'].place!r} twice"
        )
    return names


def commit_of(root: Path) -> str:
    """The commit of a checkout, marked where files differ from it; may be unknown."""
    said = _git(root, "rev-parse", "HEAD")
    if not said:
        return "unknown"
    return f"{said}-changed" if _git(root, "status", "--porcelain") else said


def _git(root: Path, *words: str) -> str:
    program = shutil.which("git")
    if program is None:
        return ""
    ran = subprocess.run(
        [program, "-C", str(root), *words],
        capture_output=True,
        text=True,
        timeout=GIT_DEADLINE,
        check=False,
    )
    return ran.stdout.strip()


def _recipe(part: str, root: Path, base: Base, wanted: Wanted) -> Recipe:
    has_gcloud = wanted.with_gcloud and part == "controller"
    return Recipe.of(part, root, base, with_gcloud=has_gcloud)


def _ensure_image(
    engine: Engine, recipe: Recipe, name: ImageName, say: Say
) -> BuiltImage:
    local, tag = recipe.name, recipe.tag
    image = engine.images(local).get(local)
    was_there = image is not None
    if image is None:
        image = build_image(engine, recipe, say)
    target = str(name.tagged(tag))
    engine.run("tag", local, target, about=f"image {target} cannot be tagged")
    if not was_there:
        say(f"built {target}: {image.size_bytes / 1e6:.0f} MB with its base")
    return BuiltImage(recipe.part, target, image.id, image.size_bytes, was_there)


def build_image(engine: Engine, recipe: Recipe, say: Say) -> Image:
    """One image, made anew under its name in the engine. Raises FellShort."""
    base = Base(recipe.base_name, recipe.base_id, is_made_here=False)
    wheels = fetch_wheels(engine, recipe.root / "requirements.lock", base, say)
    key = _key_of_gcloud() if recipe.with_gcloud else b""
    say(f"building {recipe.name} on {recipe.base_name}")
    words = [
        "build",
        "--force-rm",
        "--platform",
        PLATFORM,
        "--file",
        dockerfile(recipe.part),
    ]
    for argument, value in _arguments(recipe).items():
        words += ["--build-arg", f"{argument}={value}"]
    with tempfile.TemporaryFile() as context:
        write_context(recipe, wheels, key, context)
        said = engine.stream(
            *words,
            *("--tag", recipe.name, "-"),
            hear=_steps(recipe.part, say),
            deadline=BUILD_DEADLINE,
            stdin=context,
        )
    if said.status != 0:
        raise _why_not(recipe, said.words, _keep_output(recipe, said.out))
    return engine.images(recipe.name)[recipe.name]


def _arguments(recipe: Recipe) -> dict[str, str]:
    return {
        "BASE_IMAGE": recipe.base_name,
        "BASE_DIGEST": recipe.base_pin,
        "VERSION": iris.__version__,
        "COMMIT": commit_of(recipe.root),
    } | ({"WITH_GCLOUD": "1"} if recipe.with_gcloud else {})


def _steps(part: str, say: Say) -> Callable[[str], None]:
    """The steps of either builder; what is printed between is kept for a fault."""

    def hear(line: str) -> None:
        found = _STEP.match(line)
        if found:
            step = found["at"] or found["of"]
            say(f"{part} {step}: {' '.join(found['what'].split())[:70]}")

    return hear


def _keep_output(recipe: Recipe, text: str) -> Path:
    log = cache_folder() / f"build-{recipe.part}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)
    return log


def _why_not(recipe: Recipe, words: str, log: Path) -> IrisError:
    said = refusal(f"the {recipe.part}'s image does not build", words)
    where = f"All that the build said: {log}."
    if isinstance(said, NotFound | NotPermitted):  # words of a step, not of a registry
        return EngineFailed(said.message, hint=where)
    return type(said)(said.message, hint=f"{where} {said.hint}")


def _key_of_gcloud() -> bytes:
    import requests

    try:
        answer = requests.get(KEY_URL, timeout=30)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise FellShort(
            f"the key of Google's packages cannot be fetched: {error}",
            hint="Without --with-gcloud it is not needed; Iris calls no gcloud.",
        ) from error
    return answer.content
