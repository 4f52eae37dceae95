"""The emulator's APIs over real HTTP, in front of VMs that are words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from iris.clock import RealClock
from iris.emulator.app import create_app
from iris.emulator.core import Core
from iris.emulator.parts import make_parts
from iris.emulator.server import HttpServer
from tests.support.fake_driver import FakeDriver

PROJECT, ZONE = "my-project", "europe-west4-b"


class Cloud:
    """One emulator in this process, and how a program speaks to it."""

    def __init__(self, folder: Path, driver: FakeDriver | None = None) -> None:
        self.driver = driver or FakeDriver()
        self.core = Core(folder, RealClock(), self.driver)
        self.parts = make_parts(self.core)
        self._server = HttpServer(create_app(self.parts), 0)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.port}"
        self.zone = f"{self.url}/compute/v1/projects/{PROJECT}/zones/{ZONE}"
        self.tpus = f"{self.url}/v2/projects/{PROJECT}/locations/{ZONE}"

    def ask(self, verb: str, url: str, body: Any = None, token: str = "owner") -> Any:
        """The answer, whatever its status."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.request(verb, url, json=body, headers=headers, timeout=10)

    def admin(self, verb: str, path: str, body: Any = None) -> Any:
        """The emulator's own side."""
        headers = {"X-Iris-Admin": "1"}
        url = f"{self.url}/admin/{path}"
        return requests.request(verb, url, json=body, headers=headers, timeout=10)

    def fault(self, kind: str, **words: Any) -> None:
        """Plan one."""
        answer = self.admin("POST", "faults", {"kind": kind, **words})
        assert answer.status_code == 200, answer.text

    def close(self) -> None:
        """Stop serving; what it knows stays on disk."""
        self._server.stop()
        self.core.close()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path)
    yield made
    made.close()
