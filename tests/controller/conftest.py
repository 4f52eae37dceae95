from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iris.controller.journal import Restored
from iris.controller.store import Store
from tests.support.desk import Desk, open_desk

Open = Callable[..., tuple[Store, Restored]]


@pytest.fixture
def desk(tmp_path) -> Iterator[Desk]:
    """A controller's API over a real State and database."""
    with open_desk(tmp_path / "state") as desk:
        yield desk


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "iris.db"


@pytest.fixture
def opened(database: Path) -> Iterator[Open]:
    stores: list[Store] = []

    def open_store(**settings: object) -> tuple[Store, Restored]:
        for store in stores:
            store.close()
        stores[:] = [Store(database, "controller mine", **settings)]
        return stores[0], stores[0].load()

    yield open_store
    for store in stores:
        store.close()
