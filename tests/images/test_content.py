"""The tag by content: the same for the same, another for anything that changes it."""

from __future__ import annotations

import io
import shutil
import tarfile

import pytest

from iris.images.base import Base
from iris.images.content import COPIED, Recipe, write_context
from iris.operations.dev import checkout


@pytest.fixture
def root(tmp_path):
    """A copy of what goes into the images."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    for name in (*COPIED, "Dockerfile.controller", "Dockerfile.worker"):
        source = checkout() / name
        if source.is_dir():
            (copy / name).mkdir()
            for file in list(source.rglob("*.py"))[:3]:
                shutil.copy(file, copy / name)
        else:
            shutil.copy(source, copy)
    return copy


def recipe(root, part="worker", base="sha256:1", with_gcloud=False):
    a_base = Base("a-base:1", base, is_made_here=False)
    return Recipe.of(part, root, a_base, with_gcloud=with_gcloud)


def test_the_same_content_has_the_same_tag_wherever_it_lies(root, tmp_path):
    other = tmp_path / "elsewhere"
    shutil.copytree(root, other)
    (other / "iris/__pycache__").mkdir()
    (other / "iris/__pycache__/x.pyc").touch()
    (other / "notes.txt").touch()

    assert recipe(root).tag == recipe(other).tag


def test_whatever_goes_in_changes_the_tag(root):
    tags = [recipe(root).tag, recipe(root, part="controller").tag]
    tags.append(recipe(root, base="sha256:2").tag)
    tags.append(recipe(root, part="controller", with_gcloud=True).tag)
    for change in (
        lambda: (root / "iris/new.py").write_text("x = 1\n"),
        lambda: (root / "iris/new.py").rename(root / "iris/newer.py"),
        lambda: (root / "iris/newer.py").chmod(0o755),
        lambda: (root / "Dockerfile.worker").write_text("FROM scratch\n"),
        lambda: (root / "requirements.lock").write_text(""),
    ):
        change()
        tags.append(recipe(root).tag)

    assert len(set(tags)) == len(tags)


def test_a_context_has_what_is_copied_and_the_wheels_and_nothing_else(root, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "a-1-py3-none-any.whl").touch()
    (root / "secret.txt").write_text("not for others")
    context = io.BytesIO()

    write_context(recipe(root), wheels, b"a key", context)

    with tarfile.open(fileobj=context) as tar:
        names = {name.split("/")[0] for name in tar.getnames()}
        assert {member.mtime for member in tar.getmembers()} == {0}
    assert names == {
        *(name for name in COPIED if (root / name).is_file()),
        *(name for name in COPIED if list((root / name).glob("*.py"))),
        *("Dockerfile.worker", "wheels", "gcloud-key"),
    }


def test_a_base_that_was_imported_again_is_the_same_base(root):
    first = Base("iris-base:1", "sha256:1", is_made_here=True, layers="sha256:a")
    again = Base("iris-base:1", "sha256:2", is_made_here=True, layers="sha256:a")

    assert Recipe.of("worker", root, first).tag == Recipe.of("worker", root, again).tag
