"""What an emulator that a terminal started says, and killing what lives in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.support.eventually import eventually
from tests.support.machine import processes_in
from tests.support.terminal import Terminal

OWNER = {"Authorization": "Bearer owner"}
INSTANCES = "projects/hai-gcp-models/zones/europe-west4-b/instances"


@contextmanager
def rehearsing(folder: Path, config: str) -> Iterator[Terminal]:
    """Somebody with an emulator; at the end nothing of it lives."""
    terminal = Terminal(folder)
    terminal.ok("rehearse.start", "--config", config)
    yield terminal
    terminal.ok("rehearse.stop")
    eventually(lambda: processes_in(folder) == [])


def emulator(terminal: Terminal) -> dict[str, Any]:
    """Its addresses."""
    said: dict[str, Any] = json.loads(
        (terminal.home / "emulator" / "emulator.json").read_bytes()
    )
    return said


def ledger(terminal: Terminal) -> list[dict[str, Any]]:
    """Every resource that ever was."""
    url = f"{emulator(terminal)['admin_url']}ledger"
    answer = requests.get(url, headers={"X-Iris-Admin": "1"}, timeout=10)
    rows: list[dict[str, Any]] = answer.json()["resources"]
    return rows


def made(terminal: Terminal, *kinds: str) -> list[int]:
    """How many of each kind there ever were."""
    found = [row["kind"] for row in ledger(terminal)]
    return [found.count(kind) for kind in kinds]


def living(terminal: Terminal, kind: str) -> list[str]:
    """The names of those that are not deleted."""
    rows = ledger(terminal)
    return [r["name"] for r in rows if r["kind"] == kind and not r["deleted_at"]]


def clean_up(terminal: Terminal) -> None:
    """As a person does it; nothing may be left."""
    terminal.ok("cleanup", "--no-dry-run")
    assert [row for row in ledger(terminal) if not row["deleted_at"]] == []


def controllers(terminal: Terminal) -> list[psutil.Process]:
    """The controller's processes."""
    return [each for each in processes_in(terminal.folder) if _is_controller(each)]


def _is_controller(process: psutil.Process) -> bool:
    try:
        return "iris.controller" in " ".join(process.cmdline())
    except psutil.Error:
        return False  # it died just now


def kill_controller(terminal: Terminal) -> None:
    """As by a fault of its own: no word of farewell."""
    for process in controllers(terminal):
        process.kill()


def of_controllers_vm(terminal: Terminal, verb: str = "") -> str:
    """The address of a call about the VM, as Google's API has it."""
    url = f"{emulator(terminal)['compute_url']}{INSTANCES}/iris-eu-controller"
    return f"{url}/{verb}" if verb else url


def reset_controllers_vm(terminal: Terminal) -> None:
    """As by a power failure: it boots again, and its script runs again."""
    url = of_controllers_vm(terminal, "reset")
    requests.post(url, headers=OWNER, timeout=10).raise_for_status()
