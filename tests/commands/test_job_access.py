"""Getting into jobs as a researcher types it, on a real cluster."""

from __future__ import annotations

import json
import socket

from tests.support.eventually import eventually

SLEEP = ("--", "sleep", "1000")


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
    words = ("--no-bundle", "--name", "web", "--", "python", "-c", program)
    running.ok("job.run", *words)
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
