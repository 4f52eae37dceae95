"""An engine and both images, for tests that need the real thing; skipped without."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iris.errors import IrisError, NoEngine
from iris.images.base import Base, ensure_base
from iris.images.content import COPIED, Recipe, dockerfile
from iris.images.engine import Engine
from iris.images.lock import PARTS
from iris.operations.dev import checkout
from iris.operations.images import build_image
from tests.support.container_vm import ContainerVm
from tests.support.containers import Container, mounts, write_json
from tests.support.fake_controller import FakeController
from tests.support.vm import TOLD


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine of this machine, as root: its files have other owners."""
    made = Engine()
    try:
        made.require()
    except NoEngine as error:
        pytest.skip(f"no container engine: {error}")
    if os.geteuid() != 0:
        pytest.skip("the tests of the images need root")
    return made


@pytest.fixture(scope="session")
def base(engine: Engine) -> Base:
    """What the images stand on; made here where none can be pulled, and kept."""
    try:
        return ensure_base(engine, lambda line: None)
    except IrisError as error:
        pytest.skip(f"no base image: {error}")


@pytest.fixture(scope="session")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout as it is now, whoever goes on to write in it."""
    copy = tmp_path_factory.mktemp("frozen")
    skip = shutil.ignore_patterns("__pycache__")
    for name in (*COPIED, *(dockerfile(part) for part in PARTS)):
        source = checkout() / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=skip)
        else:
            shutil.copy(source, copy)
    return copy


@pytest.fixture(scope="session")
def image_by_part(engine: Engine, base: Base, frozen: Path) -> Iterator[dict[str, str]]:
    """Both images by name; those that were not there before are gone afterwards."""
    made, names = [], {}
    for part in PARTS:
        recipe = Recipe.of(part, frozen, base)
        names[part] = recipe.name
        if recipe.name not in engine.images(recipe.name):
            made.append(recipe.name)
            build_image(engine, recipe, lambda line: None)
    yield names
    for name in made:
        engine.try_("image", "rm", name, deadline=60.0)


@pytest.fixture
def start(engine: Engine) -> Iterator[Callable[..., Container]]:
    """Starts containers: `start(IMAGE, *flags, "--", *command)`."""
    running: list[Container] = []

    def begin(image: str, *words: str) -> Container:
        running.append(Container(engine, image, *words))
        return running[-1]

    yield begin
    for container in running:
        container.close()


@pytest.fixture
def controller() -> Iterator[FakeController]:
    made = FakeController()
    yield made
    made.close()


@pytest.fixture
def run_worker(
    start: Callable[..., Container],
    image_by_part: dict[str, str],
    tmp_path: Path,
    controller: FakeController,
) -> Callable[..., Container]:
    """Starts the worker's image on a VM that was told who it is: `tmp_path / "vm"`.

    As bootstrap/worker.sh does, save for rights that are not had everywhere.
    """

    def run(*flags: str, **told: object) -> Container:
        (tmp_path / "vm").mkdir(mode=0o700)
        where = {"controller_url": controller.url}
        write_json(tmp_path / "vm/metadata.json", **(TOLD | where | told))
        return start(
            image_by_part["worker"],
            *("--network=host", *mounts({"/var/cache/iris": tmp_path}), *flags),
            *("--", "python", "-m", "iris.worker", "--vm", "/var/cache/iris/vm"),
        )

    return run


@pytest.fixture
def vm(engine, base, tmp_path):
    made = ContainerVm(tmp_path / "vm", engine, base.name)
    yield made
    made.close()
