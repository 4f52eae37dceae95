"""What is planned and what struck, on disk: a restart of the emulator forgets none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec


class FaultMemory:
    """Two files of a folder; whoever uses it has a lock."""

    def __init__(self, folder: Path) -> None:
        self._plan = folder / "faults.json"
        self._struck = folder / "struck.jsonl"

    def planned(self, of: Any) -> Any:
        """What may still strike, as a list of these structs."""
        if not self._plan.exists():
            return []
        return msgspec.json.decode(self._plan.read_bytes(), type=list[of])

    def struck(self, of: Any) -> Any:
        """What did, oldest first; a line that a crash cut is left out."""
        if not self._struck.exists():
            return []
        lines = self._struck.read_bytes().split(b"\n")[:-1]
        return [msgspec.json.decode(line, type=of) for line in lines]

    def keep_planned(self, planned: Sequence[msgspec.Struct]) -> None:
        """The plan is this from now on."""
        draft = self._plan.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(planned))
        draft.replace(self._plan)

    def add_strike(self, strike: msgspec.Struct) -> None:
        """One more struck."""
        with self._struck.open("ab") as file:
            file.write(msgspec.json.encode(strike) + b"\n")
