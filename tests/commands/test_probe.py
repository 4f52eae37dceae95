"""Probes, workers and status as an operator types them, on a real cluster."""

from __future__ import annotations

import json

import pytest

from tests.support.eventually import eventually


@pytest.fixture(scope="module", autouse=True)
def done(running):
    """A job has run, so that there is something to see."""
    running.ok("job.run", "--no-bundle", "--name", "done", "--follow", "--", "true")


def test_each_probe_answers_for_people_and_for_programs(running):
    for probe, word in (
        ("probe.health", "well"),
        ("probe.discover", "proof-controller"),
        ("probe.autoscaler-status", "v5litepod-16"),
        ("probe.list-workers", "healthy"),
        ("probe.list-slices", "ready"),
        ("probe.list-jobs", "done"),
        ("probe.events", "job succeeded done"),
        ("probe.bootstrap-logs", "registered"),
        ("probe.logs", "job submitted"),
        ("probe.cost", "operator"),
    ):
        assert word in running.ok(probe)
        assert json.loads(running.ok(probe, "--json"))


def test_probe_why_says_what_a_waiting_job_waits_for(running):
    running.ok(
        *("job.run", "--no-bundle", "--name", "all", "--cpu", "8"),
        *("--", "sleep", "1000"),
    )
    running.ok(
        *("job.run", "--no-bundle", "--name", "next", "--cpu", "8", "--", "true"),
    )

    said = running.ok("probe.why", "next")
    running.ok("job.cancel", "all")

    assert "job next is pending" in said
    assert "cpu" in said
    assert running.ok("job.wait", "next") == "job next succeeded\n"


def test_probe_cost_of_a_wrong_time_says_how_times_are_written(running):
    said = running.refused("probe.cost", "--since", "soon", status=2)

    assert "--since: expected a duration such as 90s, 5m or 1h30m, got 'soon'" in said


def test_probe_get_answers_any_path(running):
    assert json.loads(running.ok("probe.get", "/v1/jobs"))["items"]
    assert "paths" in json.loads(running.ok("probe.get", "/v1/openapi.json"))


def test_cluster_status_gives_what_programs_need(running):
    status = json.loads(running.ok("cluster.status", "--json"))

    assert {"url", "token_file", "uid", "version"} <= set(status)
    assert "answers at" in running.ok("cluster.status")


def test_cluster_plan_of_the_same_file_changes_nothing(running):
    assert json.loads(running.ok("cluster.plan", "--json"))["changes"] == []


def test_worker_drain_sends_a_slice_away_once_it_is_empty(running):
    worker = json.loads(running.ok("probe.list-workers", "--json"))[0]
    name = f"{worker['slice_name']}/{worker['index']}"

    assert "would drain" in running.ok("worker.drain", name, "--dry-run")
    wrong = ("--no-signal", "--deadline", "5m")
    assert "not asked to end" in running.refused("worker.drain", name, *wrong, status=2)
    running.refused("worker.drain", name, "--deadline", "soon", status=2)
    said = running.ok("worker.drain", name, "--no-signal")
    assert "is draining: it goes once what runs has ended" in said

    running.ok("job.run", "--no-bundle", "--name", "after", "--follow", "--", "true")
    slices = json.loads(running.ok("probe.list-slices", "--json"))
    assert worker["slice_name"] not in [s["name"] for s in slices if s["ready_at"] == 0]


def test_a_job_on_a_drained_worker_hears_its_signal_and_goes_on_elsewhere(running):
    program = (
        'test -n "$IRIS_RESUME_REASON" && echo "$IRIS_RESUME_REASON" && exit; '
        "trap 'echo heard; exit 9' USR1; echo up; sleep 99 & wait"
    )
    words = ("--no-bundle", "--name", "moves", "--signal", "SIGUSR1")
    running.ok("job.run", *words, "--", "sh", "-c", program)
    eventually(lambda: "up" in running.ok("job.logs", "moves"))
    tasks = json.loads(running.ok("job.status", "moves", "--json"))["tasks"]
    (name,) = {task["slice_name"] for task in tasks}

    said = running.ok("worker.drain", f"{name}/0", "--deadline", "90s")
    running.ok("job.wait", "moves", "--wait-timeout", "60s")

    assert "what runs has its signal and 90 s" in said
    lines = running.ok("job.logs", "moves").splitlines()
    assert lines[:2] == ["up", "heard"]
    assert "drained: drained by operator" in lines[2]


def test_worker_confirm_gone_is_for_stuck_deletions_only(running):
    running.ok("job.run", "--no-bundle", "--name", "here", "--follow", "--", "true")
    name = json.loads(running.ok("probe.list-slices", "--json"))[-1]["name"]

    assert "would release" in running.ok("worker.confirm-gone", name)
    said = running.refused("worker.confirm-gone", name, "--no-dry-run", status=1)

    assert "not deleting" in said
