"""Images of attempts on a VM whose disk has room for few of them."""

from __future__ import annotations

import pytest

from iris.errors import EngineFailed, IrisError
from iris.worker.agent.images import Images

A, B, C, OURS = "r.io/a:1", "r.io/b:1", "r.io/c:1", "r.io/iris-worker:1"


class SmallEngine:
    """Has room for so many images; one of a container that runs stays."""

    def __init__(self, room: int, *there: str) -> None:
        self.room = room
        self.there = [*there]
        self.held: set[str] = set()
        self.pulls = 0

    def has(self, image: str) -> bool:
        return image in self.there

    def pull(self, image: str, login: dict[str, str] | None) -> None:
        self.pulls += 1
        if len(self.there) >= self.room:
            raise EngineFailed("write /var/lib/x: no space left on device")
        self.there.append(image)

    def remove_image(self, image: str) -> bool:
        if image not in self.held:
            self.there.remove(image)
        return image not in self.held


def some_images(engine: SmallEngine, *in_use: str) -> Images:
    return Images(engine, "", lambda: {OURS, *in_use})


def test_a_full_disk_costs_the_image_that_was_used_longest_ago():
    engine = SmallEngine(3, OURS)
    images = some_images(engine)
    for image in (A, B, A):
        images.ensure(image)

    images.ensure(C)

    assert engine.there == [OURS, A, C]


def test_images_that_somebody_uses_or_brought_stay():
    engine = SmallEngine(4, OURS, "of-a-person:1")
    images = some_images(engine, A)
    for image in (A, B, "of-a-person:1"):
        images.ensure(image)
    engine.held = {B}

    with pytest.raises(IrisError, match=f"{C} cannot be pulled: .*no space left"):
        images.ensure(C)

    assert engine.there == [OURS, "of-a-person:1", A, B]
    assert engine.pulls == 3


def test_an_image_that_never_fits_is_said_in_one_line():
    engine = SmallEngine(1, OURS)

    with pytest.raises(EngineFailed) as raised:
        some_images(engine).ensure(A)

    words = "write /var/lib/x: no space left on device"
    assert raised.value.message == f"image {A} cannot be pulled: {words}"
    assert engine.pulls == 1
