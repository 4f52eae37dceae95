"""SSH and tunnel as they are typed on a cluster of this machine, which needs none."""

from __future__ import annotations

import json

import requests


def test_the_tunnel_of_this_machine_is_the_controllers_own_address(running):
    status = json.loads(running.ok("cluster.status", "--json"))

    assert running.ok("tunnel").strip() == status["url"]
    opened = json.loads(running.ok("tunnel", "--json"))
    assert (opened["url"], opened["is_direct"]) == (status["url"], True)
    assert json.loads(running.ok("probe.tunnel", "--json")) == opened
    assert requests.get(f"{opened['url']}/health", timeout=10).ok


def test_probe_ssh_status_says_that_none_is_needed(running):
    assert "needs no SSH" in running.ok("probe.ssh-status")
    assert json.loads(running.ok("probe.ssh-status", "--json"))["is_well"] is True


def test_worker_ssh_and_cluster_ssh_config_are_for_clouds(running):
    for words in (
        ("worker.ssh", "a/0", "--", "true"),
        ("worker.ssh", "--all", "--", "true"),
        ("cluster.ssh-config",),
    ):
        assert "folders of this one" in running.refused(*words, status=2)


def test_worker_ssh_opens_no_shell_without_a_terminal(running):
    said = running.refused("worker.ssh", "a/0", status=2)

    assert "a command is needed" in said


def test_probe_discover_finds_it_and_exits_by_its_verdict(running, terminal):
    found = json.loads(running.ok("probe.discover", "--json"))
    assert found["verdict"] == "found"
    assert found["controllers"][0]["name"] == "proof-controller"

    file = terminal.folder / "other.yaml"
    file.write_text(
        "name: other\nprovider: {local: {}}\n"
        "scale_groups: {c: {cpus: 1, memory: 1GB}}\n"
    )
    none = terminal.run("probe.discover", "--config", str(file), "--json")
    assert (none.status, json.loads(none.out)["verdict"]) == (1, "none")


def test_probe_logs_by_number_and_by_time(running):
    running.ok("job.run", "--no-bundle", "--name", "seen", "--follow", "--", "true")

    assert len(running.ok("probe.logs", "--tail", "2").splitlines()) == 2
    assert "controller started" in running.ok("probe.logs", "--since", "1h")
    assert "1 to 1000" in running.refused("probe.logs", "--tail", "9999", status=2)
    assert "a duration" in running.refused("probe.logs", "--since", "x", status=2)
