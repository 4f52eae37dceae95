"""SSH, tunnel and visits as they are typed on a cluster of this machine."""

from __future__ import annotations

import json
import socket

import requests

from tests.support.eventually import eventually

SLEEP = ("--", "sleep", "1000")


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


def test_job_exec_runs_a_command_where_the_job_runs(running):
    running.ok("job.run", "--no-bundle", "--name", "open", "--tasks", "2", *SLEEP)
    eventually(lambda: "running" in running.ok("job.status", "open"), 30.0)
    said = ("--", "sh", "-c", "echo $IRIS_TASK_INDEX; exit 7")

    ran = running.run("job.exec", "open/1", *said)
    shell = running.refused("job.exec", "open", status=2)
    running.ok("job.cancel", "open")
    running.run("job.wait", "open")

    assert ran == (7, "1\n", "")
    assert "a shell, or -it, needs a terminal" in shell
    over = running.refused("job.exec", "open", *said, status=1)
    assert "task 0 of job open has ended (cancelled)" in over


def test_job_forward_brings_a_port_here_until_the_attempt_ends(running):
    server = "s = __import__('http.server').server.HTTPServer(('127.0.0.1', 0), None)"
    program = (
        f"{server}; print(s.server_port, flush=True); import time; time.sleep(999)"
    )
    web = ("--no-bundle", "--name", "web", "--", "python", "-c", program)
    running.ok("job.run", *web)
    port = eventually(lambda: running.ok("job.logs", "web").strip(), 30.0)

    forwarding = running.start("job.forward", "web", port, "--json")
    said = b"".join(iter(lambda: forwarding.stdout.read(1).encode(), b"}"))
    here = json.loads(said + b"}")["address"]
    with socket.create_connection(here.split(":"), timeout=10) as plug:
        plug.sendall(b"x")
    taken = running.refused("job.forward", "web", port, "--local-port", port, status=1)
    running.ok("job.cancel", "web")
    _, words = forwarding.communicate(timeout=60)

    assert forwarding.returncode == 0
    assert "task 0 of job web " in words
    assert f"--local-port {port}: address already in use" in taken
    assert "from 1 to 65535" in running.refused("job.forward", "web", "x", status=2)


def test_a_hold_needs_no_command_and_succeeds_at_its_end(running):
    said = running.ok("job.run", "--no-bundle", "--hold", "1s", "--follow")
    wrong = running.refused("job.run", "--hold", "1s", "--", "true", status=2)

    assert "iris: the hold is over" in said
    assert "a command does not go with it" in wrong
