"""What the images stand on, by what the engine says that it has."""

from __future__ import annotations

import pytest

from iris.images.base import DEFAULT, MADE, find_base
from iris.images.engine import Engine, Image

ID, DIGEST = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


class Having(Engine):
    """An engine that has these images."""

    def __init__(self, **digests_by_name: str) -> None:
        super().__init__({})
        self.have = {
            name: Image(ID, 1, (digest,) if digest else (), layers=("l-1",))
            for name, digest in digests_by_name.items()
        }

    def images(self, *names: str) -> dict[str, Image]:
        return {name: self.have[name] for name in names if name in self.have}


@pytest.mark.parametrize(
    ("named", "pulled"),
    [
        (DEFAULT, f"python@{DIGEST}"),
        (f"python:3.12@{DIGEST}", ""),
        ("docker.io/library/python:3.12", f"python@{DIGEST}"),
        ("eu.pkg.dev/p/r/python:3.12", f"eu.pkg.dev/p/r/python@{DIGEST}"),
    ],
)
def test_a_base_that_was_pulled_is_known_by_its_digest(named, pulled):
    base = find_base(Having(**{named: pulled}), named)

    assert base is not None
    assert (base.name, base.id, base.pin) == (named, ID, DIGEST)


def test_a_base_that_was_made_here_is_known_by_its_id():
    base = find_base(Having(**{MADE: ""}))

    assert base is not None
    assert (base.name, base.digest, base.pin) == (MADE, "", ID)
