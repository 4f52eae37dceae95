from __future__ import annotations

import pytest

from iris.images.names import ImageName

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("iris", ("", "iris", "", "")),
        ("iris:1", ("", "iris", "1", "")),
        ("lab/iris:1", ("", "lab/iris", "1", "")),
        ("localhost/iris", ("localhost", "iris", "", "")),
        ("127.0.0.1:5000/a/iris:1", ("127.0.0.1:5000", "a/iris", "1", "")),
        ("eu.pkg.dev/p/r/iris", ("eu.pkg.dev", "p/r/iris", "", "")),
        (f"eu.pkg.dev/p/iris:1@{DIGEST}", ("eu.pkg.dev", "p/iris", "1", DIGEST)),
    ],
)
def test_a_name_is_taken_apart_as_docker_does(text, parts):
    name = ImageName.parse(text)

    assert (name.registry, name.repository, name.tag, name.digest) == parts
    assert str(name) == text


def test_a_pinned_name_has_no_tag_that_could_move():
    name = ImageName.parse("eu.pkg.dev/p/iris:latest")

    assert str(name.pinned(DIGEST)) == f"eu.pkg.dev/p/iris@{DIGEST}"
    assert str(name.tagged("1")) == "eu.pkg.dev/p/iris:1"


def test_a_rehearsals_registry_answers_to_the_name_of_the_clouds():
    name = ImageName.parse("eu.pkg.dev/p/iris:latest")

    answered = name.answered_by("127.0.0.1:5000")

    assert str(answered) == "127.0.0.1:5000/p/iris:latest"
    assert answered.is_of_this_machine
    assert not name.is_of_this_machine
