"""A controller behind real HTTP, without loops, for operations that ask one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from iris.client import Client
from iris.controller.app import create_app
from iris.controller.server import HttpServer, listen, url_of
from tests.support.desk import Desk, open_desk
from tests.support.fleet import CPU, TPU


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path / "state") as desk:
        yield desk


@pytest.fixture
def session(desk: Desk) -> Iterator[SimpleNamespace]:
    """Where a controller answers, of a cluster with these groups."""
    listener = listen("127.0.0.1", 0)
    server = HttpServer(create_app(desk.parts), listener)
    server.start()
    url = url_of(listener)
    yield SimpleNamespace(
        controller=lambda patience=1.0: Client(url, desk.operator),
        config=SimpleNamespace(groups=lambda: (CPU, TPU)),
        record=url,
    )
    desk.parts.closing.set()
    server.stop()
