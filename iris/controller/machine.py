"""Which machine the controller is on: a file of the machine's own says it."""

from __future__ import annotations

import secrets
from pathlib import Path

from iris.controller.history import EventFilter, History
from iris.controller.state import State


def settle_on(machine: Path, state: State, history: History) -> None:
    """Let State know the machine, a new one or that of the last start."""
    file = machine / "machine-uid"
    if not file.exists():
        draft = machine / "machine-uid.new"
        draft.write_text(secrets.token_hex(8))
        draft.replace(file)
    newest = history.newest_events(EventFilter(), 1)
    state.note_machine(file.read_text(), newest[0].at if newest else 0.0)
