from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.desk import Desk, open_desk


@pytest.fixture
def desk(tmp_path) -> Iterator[Desk]:
    """A controller's API over a real State and database."""
    with open_desk(tmp_path / "state") as desk:
        yield desk
