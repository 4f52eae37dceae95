"""bootstrap/worker.sh, run by bash on a machine that is a folder."""

from __future__ import annotations

import pytest

from tests.support.http_server import HttpServer, Said
from tests.support.script_machine import BOOT_SECRET, SECRET, Machine, worker

SCRIPT = "worker.sh"
PHASES = ("boot started", "docker ready", "image pulled", "container started")


def test_a_worker_tells_each_phase_under_its_join_token_alone(machine: Machine):
    said = worker(machine).run(SCRIPT)

    told = {
        (token, report["index"], report["phase"]) for token, report in machine.reports
    }
    assert told == {(f"Bearer {SECRET}", 0, phase) for phase in PHASES}
    assert "failed" not in said


# Its index


@pytest.mark.parametrize("index", [None, "", " ", "one", "-1"])
def test_a_worker_without_an_index_says_so_and_does_not_become_worker_0(
    machine: Machine, index: str | None
):
    worker(machine)
    del machine.attributes["agent-worker-number"]
    if index is not None:
        machine.attributes["agent-worker-number"] = index

    said = machine.run(SCRIPT)

    reason = "the VM at 127.0.0.1 was not told its index"
    assert f"iris-phase: failed because {reason}" in said
    assert machine.ran("docker run") == 0
    ((token, report),) = machine.reports
    assert (token, report["index"]) == (f"Bearer {BOOT_SECRET}", -1)
    assert (report["phase"], report["detail"]) == ("failed", reason)


@pytest.mark.parametrize(
    "name", ["iris-index", "agent-worker-number", "iris-join-token-0", "iris-runtime"]
)
def test_a_metadata_server_that_is_away_for_a_while_is_no_lack_of_an_index(
    machine: Machine, name: str
):
    worker(machine).unavailable[name] = 7

    said = machine.run(SCRIPT)

    assert "failed" not in said
    assert set(machine.phases()) == set(PHASES)


def test_an_index_beyond_the_slice_is_said(machine: Machine):
    worker(machine).attributes["agent-worker-number"] = "4"

    machine.run(SCRIPT)

    assert "has index 4, for which there is no join token" in machine.reason()
    assert machine.ran("docker run") == 0


def test_an_index_with_a_nought_before_it_is_a_number(machine: Machine):
    worker(machine).attributes["agent-worker-number"] = "08"
    machine.attributes["iris-join-token-8"] = SECRET

    machine.run(SCRIPT)

    assert {report["index"] for _, report in machine.reports} == {8}


# What the controller hears


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        ("docker version", "docker does not answer"),
        ("docker pull", "cannot be pulled"),
        ("docker run", "the worker's container does not start"),
    ],
)
def test_a_step_that_fails_is_heard_by_the_controller(
    machine: Machine, failing: str, reason: str
):
    said = worker(machine).run(SCRIPT, FAILING=failing)

    assert reason in machine.reason()
    # no letter of theirs breaks the report
    assert f"{failing}: no, Iris's 'bro' is closed" in machine.reason()
    assert said.count("iris-phase: failed because") == 1


def test_an_end_is_told_until_the_controller_has_heard_it(machine: Machine):
    worker(machine).refusing = 12

    machine.run(SCRIPT, FAILING="docker run")

    assert "does not start" in machine.reason()


def test_a_controller_that_moved_meanwhile_hears_of_the_end(machine: Machine):
    worker(machine)
    there, machine.attributes["iris-controller"] = (
        machine.server.url,
        "http://127.0.0.1:1",
    )
    asked = 0

    def moving(path: str) -> None:
        nonlocal asked
        asked += path.endswith("iris-controller")
        if asked == 5:
            machine.attributes["iris-controller"] = there

    machine.on_ask = moving
    machine.run(SCRIPT, FAILING="docker run")

    assert "does not start" in machine.reason()


def test_a_token_is_not_told_to_another_cluster(machine: Machine):
    tokens: list[str] = []

    def another(asked) -> Said:
        tokens.append(asked.token)
        return Said(body=b'{"cluster_uid":"c-of-others"}')

    with HttpServer(another) as stranger:
        worker(machine).attributes["iris-controller"] = stranger.url
        machine.run(SCRIPT)

    assert set(tokens) == {""}
    assert machine.reports == []


# The container


def test_a_worker_that_ends_again_and_again_is_heard_of(machine: Machine):
    (machine.root / "restarts").write_text("5\n")
    (machine.root / "container.log").write_text(
        "Traceback\n  in main\n\niris.worker: no room for a keeper\n"
    )

    said = worker(machine).run(SCRIPT)

    assert "iris-worker: iris.worker: no room for a keeper" in said
    reason = "the worker does not come up: iris.worker: no room for a keeper"
    assert machine.reason() == reason
    lines = "Traceback |   in main | iris.worker: no room for a keeper"
    assert ("container said", lines) in [
        (report["phase"], report["detail"]) for _, report in machine.reports
    ]


@pytest.mark.parametrize("step", ["docker rm", "docker pull", "docker run"])
def test_a_boot_that_was_cut_is_made_good_by_the_next(machine: Machine, step: str):
    worker(machine).run(SCRIPT, KILLED_AT=step)
    machine.reports.clear()

    said = machine.run(SCRIPT)

    assert "failed" not in said
    assert set(machine.phases()) == set(PHASES)


@pytest.mark.parametrize(
    ("runtime", "has_engine"), [("process", False), ("docker", True)]
)
def test_the_vms_engine_is_given_where_the_runtime_needs_it(
    machine: Machine, runtime: str, has_engine: bool
):
    worker(machine).attributes["iris-runtime"] = runtime

    machine.run(SCRIPT)

    (run,) = [line for line in machine.said() if line.startswith("docker run")]
    # by the folder of its socket, which an engine that starts anew makes anew
    assert ("/run:/machine/run:ro" in run) == has_engine
    assert ("DOCKER_HOST=unix:///machine/run/docker.sock" in run) == has_engine
