"""Every line of a rehearsal says so."""

from __future__ import annotations

import json
import re

from iris.client import records
from tests.support.cluster import QUICK
from tests.support.eventually import eventually
from tests.support.house import sources_under
from tests.support.machine import processes_in
from tests.support.terminal import ROOT

MARK = "rehearsal | "


def test_every_line_about_a_rehearsal_is_marked_and_json_is_not(terminal, monkeypatch):
    file = terminal.folder / "proof.yaml"
    file.write_text(QUICK)
    monkeypatch.setenv("IRIS_HOME", str(terminal.home))
    record = records.Record("proof", "c0123456789ab", str(file), rehearsal=True)
    records.save(record, config_text=QUICK)

    try:
        ran = terminal.run("cluster.start", "--config", str(file))
        shown = terminal.ok("probe.list-slices")
        plain = json.loads(terminal.ok("cluster.status", "--json"))
        words = ("--follow", "--", "sh", "-c", "echo one; echo two")
        followed = terminal.run("job.run", "--no-bundle", "--name", "said", *words)
        pieces = terminal.ok("job.logs", "said", "--json").splitlines()
        wrong = terminal.refused("job.status", "nothing", status=1)
    finally:
        terminal.run("cleanup", "--no-dry-run", "--config", str(file))
        eventually(lambda: processes_in(terminal.folder) == [])

    everything = ran.out + ran.err + shown + followed.out + followed.err + wrong
    assert [li for li in everything.splitlines() if not li.startswith(MARK)] == []
    assert followed.out == f"{MARK}one\n{MARK}two\n"
    assert plain["cluster"] == "proof"
    assert [json.loads(each)["task"] for each in pieces]


def test_every_command_opens_its_session_where_lines_are_marked():
    around = re.compile(r"from iris\.session import .*open_session")
    commands = sources_under(ROOT, "iris/commands")

    assert [s.path for s in commands if around.search(s.text)] == []
