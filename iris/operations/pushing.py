"""Pushes both images once, and writes down what was pushed: the lock of the file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from iris.clock import Clock
from iris.config import ClusterConfig
from iris.errors import BadClusterFile, EngineFailed, NotFound, Unavailable
from iris.images.engine import PLATFORM, Engine
from iris.images.lock import ImageLock, LockedImage, lock_file, write_lock
from iris.images.login import Login
from iris.images.names import ImageName
from iris.images.refusals import refusal
from iris.images.registry import LocalRegistry
from iris.operations.images import (
    Built,
    BuiltImage,
    Wanted,
    as_written,
    build,
    image_names,
    plan_build,
)
from iris.session import Session

Say = Callable[[str], None]

PUSH_DEADLINE = 1800.0  # seconds; 130 MB packed
LOOK_DEADLINE = 60.0  # seconds for a registry's answer
PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0)  # seconds between tries of what may pass
_NEVER = threading.Event()


class PushedImage(msgspec.Struct, frozen=True):
    """An image in its registry."""

    part: str
    image: str  # by digest, as the cluster file's registry knows it
    tag: str
    digest: str
    was_there: bool


class Pushed(msgspec.Struct, frozen=True):
    """Both images of a cluster file, as a cluster started from now on runs them."""

    cluster: str
    lock_file: str
    images: tuple[PushedImage, ...]


def push(
    session: Session,
    say: Say,
    wanted: Wanted = Wanted(),
    *,
    rehearse: bool = False,
    login: Login = Login(),
) -> Pushed:
    """Build what is not built, push what is not pushed, and lock the digests."""
    is_rehearsal, session = rehearse or session.is_rehearsal, as_written(session)
    require_tags(session.config, session.config_path, is_rehearsal)
    built = build(session, say, wanted)
    if is_rehearsal:
        with LocalRegistry(session.clock) as registry:
            say(f"pushing to this machine's own registry at {registry.address}")
            return push_to(session, built, say, registry=registry.address)
    with login.of(Engine(), _registries(built), say) as engine:
        return push_to(session, built, say, engine=engine)


def plan_push(
    session: Session, wanted: Wanted = Wanted(), *, rehearse: bool = False
) -> tuple[str, ...]:
    """What `push` would do."""
    is_rehearsal, session = rehearse or session.is_rehearsal, as_written(session)
    require_tags(session.config, session.config_path, is_rehearsal)
    names = image_names(session.config, session.config_path)
    where = "this machine's own registry" if is_rehearsal else ""
    return (
        *plan_build(session, wanted),
        *(
            f"push {name.place} to {where or name.registry} unless it is there"
            for name in names.values()
        ),
        f"write their digests to {_lock_file(session, is_rehearsal)}",
    )


def push_to(
    session: Session,
    built: Built,
    say: Say,
    *,
    registry: str = "",
    engine: Engine | None = None,
) -> Pushed:
    """Push what was built and lock it; `registry` stands in for the file's own."""
    engine, session = engine or Engine(), as_written(session)
    names = image_names(session.config, session.config_path)
    line = _Line(engine, registry, say, session.clock)
    pushed = [_push_image(line, each, names[each.part]) for each in built.images]
    file = _lock_file(session, is_rehearsal=bool(registry))
    write_lock(file, _lock(built, pushed, names))
    say(f"digests are in {file}")
    return Pushed(session.cluster, str(file), tuple(pushed))


def require_tags(config: ClusterConfig, path: str, is_rehearsal: bool) -> None:
    """Raises BadClusterFile for names that nothing can be pushed under."""
    for part, name in image_names(config, path).items():
        if name.digest:
            raise BadClusterFile(
                f"{path}: {part}/image: expected a name with a tag to push under, got "
                f"the digest {name.digest[:19]}...",
                hint="Name it by a tag; the digest goes to the lock beside the file.",
            )
        if not name.registry and not is_rehearsal:
            raise BadClusterFile(
                f"{path}: {part}/image: expected a name with a registry, got {name}",
                hint="Such as europe-west4-docker.pkg.dev/PROJECT/REPOSITORY/NAME:TAG.",
            )


class _Line(msgspec.Struct, frozen=True):
    """The way to a registry, and who hears how it goes."""

    engine: Engine
    registry: str  # instead of the name's own; empty: that
    say: Say
    clock: Clock


def _push_image(line: _Line, built: BuiltImage, name: ImageName) -> PushedImage:
    tag = ImageName.parse(built.image).tag
    place = name.answered_by(line.registry) if line.registry else name
    target = place.tagged(tag)
    digest = digest_in_registry(line.engine, target)
    was_there = bool(digest)
    if not digest:
        _send(line, built.image, target)
        digest = _digest_after(line.engine, target)
    if name.tag:
        _move_tag(line, built, place.tagged(name.tag), digest)
    if line.registry:  # the port is gone with the registry
        line.engine.try_("image", "rm", str(target), str(place.tagged(name.tag)))
    line.say(f"{target} is {'there already' if was_there else 'pushed'}: {digest}")
    return PushedImage(built.part, str(name.pinned(digest)), tag, digest, was_there)


def digest_in_registry(engine: Engine, name: ImageName) -> str:
    """What the registry has under a name; empty if it has nothing."""
    insecure = ("--insecure",) if name.is_of_this_machine else ()
    said = engine.try_(
        *("manifest", "inspect", *insecure, "--verbose", str(name)),
        deadline=LOOK_DEADLINE,
    )
    if said.status != 0:
        why = refusal(f"{name} cannot be looked for", said.words)
        if isinstance(why, NotFound):
            return ""
        if isinstance(why, Unavailable):
            return ""  # the push tries again and says why
        raise why
    found = msgspec.json.decode(said.out)
    for each in found if isinstance(found, list) else [found]:
        place = each["Descriptor"].get("platform") or {}
        if place.get("architecture") in (None, PLATFORM.partition("/")[2]):
            return str(each["Descriptor"]["digest"])
    return ""


def _move_tag(line: _Line, built: BuiltImage, tag: ImageName, digest: str) -> None:
    """Whoever has no lock finds it under the file's own tag."""
    if digest_in_registry(line.engine, tag) == digest:
        return
    ours = line.engine.images(built.image)[built.image].digests
    if f"{tag.place}@{digest}" in ours:
        _send(line, built.image, tag)
    else:  # the same content, built elsewhere: it is there by its digest
        line.say(f"{tag} stays what it is; the lock names what is run")


def _send(line: _Line, image: str, target: ImageName) -> None:
    about = f"image {target} cannot be pushed"
    line.engine.run("tag", image, str(target), about=about)
    for pause in (*PAUSES, None):
        said = line.engine.stream(
            "push",
            str(target),
            hear=_progress(str(target), line.say),
            deadline=PUSH_DEADLINE,
        )
        if said.status == 0:
            return
        why = refusal(about, said.words)
        if pause is None or not isinstance(why, Unavailable):
            raise why
        line.say(f"{why}; again in {pause:g} s")
        line.clock.wait(_NEVER, pause)


def _digest_after(engine: Engine, target: ImageName) -> str:
    found = engine.images(str(target))[str(target)]
    for each in found.digests:
        if each.startswith(f"{target.place}@"):
            return each.partition("@")[2]
    raise EngineFailed(f"the engine tells no digest of {target}, which it pushed")


def _progress(target: str, say: Say) -> Callable[[str], None]:
    """How many layers the registry has by now."""
    layers: set[str] = set()
    done: set[str] = set()

    def hear(line: str) -> None:
        layer, _, state = line.partition(": ")
        if len(layer) != 12 or not state:
            return
        layers.add(layer)
        if state.startswith(("Pushed", "Layer already exists", "Mounted")):
            done.add(layer)
            say(f"pushing {target}: {len(done)} of {len(layers)} layers")

    return hear


def _lock(
    built: Built, pushed: list[PushedImage], names: dict[str, ImageName]
) -> ImageLock:
    locked = {
        each.part: LockedImage(str(names[each.part]), each.tag, each.digest)
        for each in pushed
    }
    return ImageLock(
        controller=locked["controller"],
        worker=locked["worker"],
        version=built.version,
        commit=built.commit,
        base=f"{built.base} {built.base_digest or built.base_id}",
    )


def _lock_file(session: Session, is_rehearsal: bool) -> Path:
    return lock_file(session.file_path, session.cluster, is_rehearsal=is_rehearsal)


def _registries(built: Built) -> tuple[str, ...]:
    found = [ImageName.parse(each.image).registry for each in built.images]
    return tuple(dict.fromkeys(found))
