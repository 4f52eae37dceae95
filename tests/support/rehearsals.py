"""Rehearsals as a person types them, and what their reports must say."""

from __future__ import annotations

import json
from typing import Any

from iris.paths import examples_folder
from tests.support.eventually import eventually
from tests.support.machine import processes_in
from tests.support.terminal import Terminal

LONGEST = 420.0  # seconds of one rehearsal


def rehearse(terminal: Terminal, config: str, *words: str) -> dict[str, Any]:
    """The report of a rehearsal that keeps every promise and leaves nothing."""
    started = terminal.start("rehearse", "--config", config, "--json", *words)
    out, err = started.communicate(timeout=LONGEST)
    assert started.returncode == 0, err
    assert [li for li in err.splitlines() if not li.startswith("rehearsal |")] == []
    eventually(lambda: processes_in(terminal.folder) == [])
    report: dict[str, Any] = json.loads(out)
    assert report["is_kept"]
    return report


def struck(report: dict[str, Any]) -> set[str]:
    """The kinds of faults that struck."""
    return {each["kind"] for each in report["injected"]}


def quick_file(terminal: Terminal, example: str, **replaced: str) -> str:
    """An example whose deadlines suit a test: a key's value by its name."""
    lines = (examples_folder() / example).read_text().splitlines()
    for key, value in replaced.items():
        lines = [*lines, f"    {key}: {value}"]  # of the last group
    file = terminal.folder / example
    file.write_text("\n".join(lines) + "\n")
    return str(file)
