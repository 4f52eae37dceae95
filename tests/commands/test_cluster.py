"""A cluster's life as a person types it, and every wrong word on the way."""

from __future__ import annotations

import json

import pytest

from tests.support.cluster import QUICK
from tests.support.eventually import eventually
from tests.support.machine import processes_in


@pytest.fixture
def file(terminal):
    file = terminal.folder / "proof.yaml"
    file.write_text(QUICK)
    yield file
    terminal.run("cleanup", "--no-dry-run", "--config", str(file))
    eventually(lambda: processes_in(terminal.folder) == [])


def test_a_cluster_starts_stops_and_starts_again_with_its_jobs(terminal, file):
    assert "would start" in terminal.ok(
        "cluster.start", "--config", str(file), "--dry-run"
    )
    terminal.ok("cluster.start", "--config", str(file))
    assert "answers at" in terminal.ok("cluster.start", "--config", str(file))
    terminal.ok("job.run", "--no-bundle", "--name", "kept", "--follow", "--", "true")

    assert "--no-dry-run" in terminal.ok("cluster.stop")
    terminal.ok("cluster.stop", "--no-dry-run")
    gone = terminal.refused("cluster.status", status=1)
    terminal.ok("cluster.start")
    assert "kept" in terminal.ok("job.list")
    terminal.ok("cluster.restart")
    assert "kept" in terminal.ok("probe.list-jobs")

    assert "has no controller" in gone
    assert "--no-dry-run" in terminal.ok("cleanup")
    terminal.ok("cleanup", "--no-dry-run")
    assert "no cluster was started" in terminal.refused("cluster.status", status=1)


def test_a_changed_file_says_what_differs_and_how_to_apply_it(terminal, file):
    terminal.ok("cluster.start", "--config", str(file))
    file.write_text(QUICK.replace("max_slices: 2", "max_slices: 3"))

    said = terminal.refused("cluster.start", "--config", str(file), status=1)
    terminal.ok("cluster.restart", "--config", str(file))

    assert "scale_groups/v5e-16/max_slices: 2 -> 3" in said
    assert f"inv cluster.restart --config {file}" in said
    assert json.loads(terminal.ok("cluster.plan", "--json"))["changes"] == []


def test_a_port_that_is_taken_is_one_line(terminal, file):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        file.write_text(QUICK.replace("port: 0", f"port: {port}"))

        said = terminal.refused("cluster.start", "--config", str(file), status=1)

    assert f"127.0.0.1:{port}" in said


def test_a_wrong_token_is_one_line(terminal, file):
    terminal.ok("cluster.start", "--config", str(file))
    token = terminal.home / "clusters" / "proof" / "token"
    token.write_text("wrong\n")

    said = terminal.refused("job.list", status=1)

    assert said.startswith("iris: ")


def test_two_terminals_that_start_one_cluster_make_one(terminal, file):
    words = ("cluster.start", "--config", str(file), "--json")

    both = [terminal.start(*words) for _ in range(2)]
    outs = [each.communicate(timeout=60) for each in both]

    assert [each.returncode for each in both] == [0, 0]
    started = [json.loads(out) for out, _ in outs]
    assert len({each["uid"] for each in started}) == 1
    assert sorted(each["ran_already"] for each in started) == [False, True]


def test_no_cluster_is_one_line_with_the_way_out(terminal):
    said = terminal.refused("probe.list-jobs", status=1)

    assert said.startswith(
        "iris: no cluster was started from this machine\n"
        "hint: Start one: `inv cluster.start --config FILE`."
    )
    assert said.count("\n") == 2


@pytest.mark.parametrize("program", ["inv", "iris"])
def test_config_before_the_command_is_refused_with_the_right_order(terminal, program):
    said = terminal.refused("--config", "X", "cleanup", status=2, program=program)

    assert "inv cleanup --config X" in said


def test_words_that_the_program_iris_does_not_know_exit_2(terminal):
    assert terminal.refused("cluster.fly", status=2, program="iris")
    assert terminal.refused("job.list", "--fast", status=2, program="iris")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "empty"),
        ("- a\n- b\n", "list"),
        (QUICK + "autoscalr: {}\n", "autoscaler"),
        (QUICK.replace("port: 0", "port: many"), "controller/port"),
        (QUICK.replace("memory: 32GB", "memory: 32 potatoes"), "memory"),
        (QUICK.replace("max_slices: 2", "max_slices: -2"), "max_slices"),
        (QUICK + "name: twice\n", "twice"),
        (QUICK.replace("v5litepod-16", "v5litepod-17"), "v5litepod-32"),
        ("\x00\x01\x02", "not YAML"),
    ],
)
def test_a_bad_cluster_file_is_one_line_with_file_and_path(terminal, text, named):
    file = terminal.folder / "bad.yaml"
    file.write_text(text)

    said = terminal.refused("cluster.start", "--config", str(file), status=2)

    lines = said.splitlines()
    assert lines[0].startswith(f"iris: {file}")
    assert len(lines) <= 2
    assert named in said
