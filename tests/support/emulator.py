"""An emulator as a process of its own, ended with every VM in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from iris.domain.endpoints import Endpoints
from tests.support.eventually import eventually
from tests.support.machine import processes_in

UP, GONE = 30.0, 30.0  # seconds within which it answers, and has ended
_OURS = {"X-Iris-Admin": "1"}


class Emulator:
    """Where one answers, and its own side."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.said = said
        self.base_url = str(said["base_url"])
        self.endpoints = Endpoints(self.base_url, self.base_url, self.base_url)

    @property
    def proxy_command(self) -> str:
        """How SSH gets to its VMs where it may not listen on port 22."""
        if self.said["ssh_port"] == 22:
            return ""
        dial = f"{sys.executable} -m iris.emulator.dial"
        return f"{dial} {self.said['admin_url']} %h %p"

    def inject(self, kind: str, **words: object) -> None:
        """Let something go wrong from now on."""
        self._admin("POST", "faults", json={"kind": kind, **words})

    def withdraw(self) -> None:
        """Let nothing go wrong any more."""
        self._admin("DELETE", "faults")

    def struck(self) -> list[str]:
        """The kinds of the faults that struck, one after the other."""
        return [s["kind"] for s in self._admin("GET", "struck")["struck"]]

    def ledger(self) -> list[dict[str, Any]]:
        """Every resource that ever was."""
        rows: list[dict[str, Any]] = self._admin("GET", "ledger")["resources"]
        return rows

    def stop(self) -> None:
        """End every VM, then the emulator."""
        self._admin("POST", "stop", params={"end_all": "true"})

    def _admin(self, verb: str, path: str, **words: Any) -> dict[str, Any]:
        url = f"{self.base_url}/admin/{path}"
        answer = requests.request(verb, url, headers=_OURS, timeout=30, **words)
        answer.raise_for_status()
        said: dict[str, Any] = answer.json()
        return said


@contextmanager
def running_emulator(folder: Path) -> Iterator[Emulator]:
    """One that answers, and of which nothing is left afterwards."""
    file, log = folder / "emulator.json", folder / "emulator.log"
    words = [sys.executable, "-m", "iris.emulator", "--folder", str(folder)]
    # the first test's home is not that of the others
    environment = {k: v for k, v in os.environ.items() if k != "IRIS_HOME"}
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, env=environment)
    try:
        eventually(lambda: file.exists() or process.poll() is not None, UP)
        assert process.poll() is None, log.read_text()
        emulator = Emulator(json.loads(file.read_text()))
        yield emulator
        emulator.stop()
        process.wait(GONE)
        eventually(lambda: processes_in(folder) == [], GONE)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(GONE)
