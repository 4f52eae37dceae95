"""The production file of the README, rehearsed whole: boot, work, a loss, the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.rehearsals import rehearse, struck
from tests.support.terminal import Terminal


@pytest.fixture
def terminal(tmp_path):
    return Terminal(tmp_path)


@pytest.mark.timeout(200)
def test_eu_west4_lives_its_whole_life_and_keeps_every_promise(terminal):
    page = terminal.folder / "report.html"

    report = rehearse(terminal, "eu-west4.yaml", "--html", str(page), "--seed", "7")

    kinds = {track["kind"] for track in report["tracks"]}
    slices = [t for t in report["tracks"] if t["kind"] == "slice"]
    assert struck(report) == {"preemption"}
    assert {"slice", "VM", "task", "disk"} <= kinds
    assert len(slices) == 2
    assert len([t for t in report["tracks"] if t["kind"] == "VM"]) == 8
    assert report["usd"] >= 0
    assert "iris-eu" in page.read_text()
    assert list(Path(terminal.home, "rehearsals").iterdir()) == []
