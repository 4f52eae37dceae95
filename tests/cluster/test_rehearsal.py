"""The production file of the README, rehearsed whole: boot, work, a loss, the end."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.http_server import HttpServer, Said
from tests.support.killing import ledger
from tests.support.machine import processes_in, words_of
from tests.support.rehearsals import rehearse, struck
from tests.support.terminal import Terminal


@pytest.fixture
def terminal(tmp_path):
    return Terminal(tmp_path)


@pytest.fixture
def abroad(terminal):
    """Real-looking credentials, and a proxy to the world that counts who asks it."""
    account = {
        "type": "authorized_user",
        "client_id": "1.apps.googleusercontent.com",
        "client_secret": "looks-real",
        "refresh_token": "1//looks-real",
    }
    file = terminal.folder / "application_default_credentials.json"
    file.write_text(json.dumps(account))
    with HttpServer(lambda asked: Said(502)) as server:
        terminal.environment |= {
            "GOOGLE_APPLICATION_CREDENTIALS": str(file),
            "CLOUDSDK_CONFIG": str(terminal.folder),
            "HTTPS_PROXY": server.url,
            "HTTP_PROXY": server.url,
        }
        yield server


@pytest.mark.timeout(200)
def test_a_rehearsal_asks_nobody_beyond_this_machine(terminal, abroad):
    rehearse(terminal, "cpu-only.yaml")

    assert abroad.connections == 0


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


def test_a_rehearsal_that_is_interrupted_leaves_nothing(terminal):
    started = terminal.start("rehearse", "--config", "eu-west4.yaml")
    assert started.stderr is not None
    for line in started.stderr:
        if "submitted" in line:  # VMs are about to boot
            break

    started.send_signal(signal.SIGTERM)
    started.communicate(timeout=60)

    assert started.returncode == 130
    assert_nothing_is_left(terminal)


def test_a_rehearsal_that_is_interrupted_while_its_emulator_starts_leaves_none(
    terminal,
):
    started = terminal.start("rehearse", "--config", "eu-west4.yaml")
    eventually(lambda: emulators(terminal), within=30.0)

    started.send_signal(signal.SIGINT)
    started.communicate(timeout=60)

    assert started.returncode == 130
    assert_nothing_is_left(terminal)


def test_a_rehearsal_whose_window_is_closed_leaves_nothing(terminal):
    with terminal.window("rehearse", "--config", "eu-west4.yaml") as (started, screen):
        seen = b""
        while b"submitted" not in seen:
            seen += screen.read(1000)

    assert started.wait(timeout=60) == 130
    assert_nothing_is_left(terminal)


@pytest.mark.parametrize("ended_by", ["rehearse.stop", "rehearse"])
def test_what_a_rehearsal_that_was_killed_has_left_is_ended(
    terminal, ended_by, tmp_path
):
    killed = terminal.start("rehearse", "--config", "eu-west4.yaml")
    eventually(lambda: emulators(terminal), within=30.0)
    other = terminal.start("rehearse", "--config", "eu-west4.yaml")
    eventually(lambda: len(emulators(terminal)) == 2, within=30.0)
    other.send_signal(signal.SIGINT)  # one that lives is left alone, and ends itself
    other.communicate(timeout=60)
    assert len(emulators(terminal)) == 1

    killed.kill()
    killed.communicate(timeout=60)
    words = [ended_by]
    if ended_by == "rehearse":
        words += ["--config", "eu-west4.yaml", "--wait-timeout", "1s"]
        words += ["--html", str(tmp_path / "page.html")]
    ended = terminal.run(*words)

    assert "ended all that a rehearsal that was killed had left" in ended.err
    assert_nothing_is_left(terminal)


def emulators(terminal):
    """Processes that are one, whether it answers or not."""
    found = processes_in(terminal.folder)
    return [each for each in found if "iris.emulator" in words_of(each)]


def assert_nothing_is_left(terminal):
    eventually(lambda: processes_in(terminal.folder) == [])
    assert list(Path(terminal.home, "rehearsals").iterdir()) == []


def test_a_cluster_that_is_rehearsed_step_by_step_is_followed_by_every_command(
    terminal,
):
    words = ("cluster.start", "--config", "eu-west4.yaml", "--rehearse", "--json")
    try:
        started = json.loads(terminal.ok(*words))
        status = terminal.ok("cluster.status")
        found = terminal.run("probe.discover")
        run = ("--tpu", "v5litepod-16", "--no-bundle", "--follow", "--", "true")
        ran = terminal.run("job.run", *run)
        terminal.ok("rehearse.inject", "--kind", "ssh-cut")
        costs = json.loads(terminal.ok("probe.cost", "--json"))
        billed = [row for row in ledger(terminal) if row["kind"] == "slice"]
        cleaned = terminal.ok("cleanup", "--no-dry-run")
    finally:
        terminal.run("rehearse.stop")

    assert started["cluster"] == "iris-eu"
    assert ran.status == 0, ran
    # we see a moment later than the cloud that its VMs are up, and asked before
    (ours,), (theirs,) = costs["slices"], billed
    assert ours["name"] == theirs["name"]
    assert ours["hours"] * 3600 == pytest.approx(theirs["billed_seconds"], abs=10.0)
    assert ours["usd"] == pytest.approx(ours["hours"] * ours["price_per_hour"])
    assert ours["usd"] - costs["idle_usd"] == pytest.approx(costs["users"][0]["usd"])
    kept = {each["what"]: each["usd"] for each in costs["upkeep"]}
    assert list(kept) == ["VM", "boot disk", "state disk"]
    assert costs["usd"] == pytest.approx(ours["usd"] + sum(kept.values()))
    assert min(kept.values()) > 0
    said = status + found.out + ran.out + ran.err + cleaned
    assert [li for li in said.splitlines() if not li.startswith("rehearsal |")] == []
    assert "iris-eu-controller" in cleaned
    eventually(lambda: processes_in(terminal.folder) == [])


def test_an_emulator_is_found_again_and_says_where_it_answers(terminal):
    try:
        first = json.loads(terminal.ok("rehearse.start", "--json"))
        again = json.loads(terminal.ok("rehearse.start", "--json"))
        wrong = terminal.refused("rehearse.inject", "--kind", "flood", status=2)
    finally:
        ended = terminal.ok("rehearse.stop")

    names = {"compute_url", "tpu_url", "metadata_url", "admin_url", "project", "zone"}
    assert first == again
    assert set(first) == names
    assert first["compute_url"].endswith("/compute/v1/")
    assert first["project"] == "iris-rehearsal"
    assert "stockout" in wrong
    assert "the emulator has ended" in ended
    eventually(lambda: processes_in(terminal.folder) == [])


def test_a_fault_that_cannot_strike_is_told_in_one_line_and_nothing_is_left(terminal):
    file = terminal.folder / "odd.yaml"
    file.write_text("faults: [{kind: unavailable, verb: list, type: v6e-4}]")
    words = ("--config", "eu-west4.yaml", "--faults", str(file))

    said = terminal.refused("rehearse", *words, status=2)

    (line,) = [li for li in said.splitlines() if "iris: " in li]
    assert "only a create names a `type`" in line
    assert "Promises" not in said
    eventually(lambda: processes_in(terminal.folder) == [])
