"""Images are built once, from what the checkout says, and never half."""

from __future__ import annotations

import json
import re
import shutil

import pytest

import iris
from iris.errors import EngineFailed, NotFound
from iris.images.base import ensure_base
from iris.images.content import Recipe
from iris.operations.images import Wanted, build, build_image
from iris.paths import examples_folder
from iris.session import open_session

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

MOST_BYTES = {"controller": 250e6, "worker": 300e6}  # beside the base


@pytest.fixture
def session(monkeypatch, tmp_path, image_by_part):
    monkeypatch.setenv("IRIS_HOME", str(tmp_path / "home"))
    file = tmp_path / "eu.yaml"
    text = (examples_folder() / "eu-west4.yaml").read_text()
    file.write_text(text.replace("hai-gcp-models", "iris-test-project"))
    return open_session(str(file))


@pytest.fixture
def broken(tmp_path, frozen):
    """A checkout whose provider was forgotten."""
    copy = tmp_path / "checkout"
    shutil.copytree(frozen, copy)
    shutil.rmtree(copy / "iris/providers/gcp")
    return copy


def test_what_is_built_is_not_built_again(session, engine, image_by_part, frozen):
    said: list[str] = []

    built = build(session, said.append, Wanted(root=frozen))

    assert [each.was_there for each in built.images] == [True, True]
    assert said == []
    for each in built.images:
        assert each.image.endswith(image_by_part[each.part].partition(":")[2])
        engine.try_("image", "rm", each.image)


def test_images_are_small_and_say_what_they_are(engine, base, image_by_part):
    under = engine.images(base.name)[base.name].size_bytes
    for part, name in image_by_part.items():
        image = engine.images(name)[name]
        labels = image.labels

        assert image.size_bytes - under < MOST_BYTES[part]
        assert labels["org.opencontainers.image.version"] == iris.__version__
        commit = labels["org.opencontainers.image.revision"]
        assert re.fullmatch(r"unknown|[0-9a-f]{40}(-changed)?", commit)
        assert labels["org.opencontainers.image.base.name"] == base.name
        assert labels["org.opencontainers.image.base.digest"] == base.pin


def test_no_index_and_no_password_is_in_an_image(engine, image_by_part):
    for name in image_by_part.values():
        words = ("history", "--no-trunc", "--format", "{{json .}}", name)
        steps = [json.loads(li) for li in engine.run(*words, about=name).splitlines()]
        said = " ".join(step["CreatedBy"] for step in steps)

        assert "index-url" not in said.lower()
        assert "PIP_" not in said


def test_an_image_that_lacks_a_part_of_iris_is_never_tagged(engine, base, broken):
    recipe = Recipe.of("controller", broken, base)

    with pytest.raises(
        EngineFailed, match="the controller's image does not build"
    ) as e:
        build_image(engine, recipe, lambda line: None)

    log = re.search(r"said: (\S+)\. ", f"{e.value.hint} ")
    assert log is not None
    with open(log[1]) as file:
        assert "No module named 'iris.providers.gcp'" in file.read()
    assert engine.images(recipe.name) == {}


def test_a_base_that_was_named_is_never_replaced(session, engine):
    with pytest.raises(NotFound, match="the base image cannot be had"):
        ensure_base(engine, lambda line: None, "127.0.0.1:9/no/such:base")
    with pytest.raises(NotFound, match="the base image cannot be had"):
        build(session, lambda line: None, Wanted(base="127.0.0.1:9/no/such:base"))
