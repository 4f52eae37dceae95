from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_server import HttpServer
from tests.support.script_machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with HttpServer(lambda asked: made.answer(asked)) as server:
        made = Machine(tmp_path, server)
        yield made
