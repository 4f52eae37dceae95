"""SSH, tunnel and an adopted disk, as typed on a rehearsed Google Cloud."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress

import psutil
import pytest
import requests

from tests.support.canary import CANARY, files_with_it, places_of, processes_with_it
from tests.support.eventually import eventually
from tests.support.machine import processes_in
from tests.support.terminal import Terminal

MUCH = 24 << 20  # bytes
SINGS = "echo ${#SHARED} letters; exec sleep 1000"


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """A terminal whose cluster runs on the emulator, with one slice."""
    terminal = Terminal(tmp_path_factory.mktemp("far"))
    terminal.ok("cluster.start", "--config", "eu-west4.yaml", "--rehearse")
    terminal.ok(
        *("job.run", "--no-bundle", "--tpu", "v5litepod-16", "--name", "one"),
        *("--follow", "--", "true"),
    )
    yield terminal
    terminal.run("cleanup", "--no-dry-run")
    terminal.ok("rehearse.stop")
    eventually(lambda: processes_in(terminal.folder) == [])


@pytest.fixture(scope="module")
def worker(far):
    workers = json.loads(far.ok("probe.list-workers", "--json"))
    return f"{workers[0]['slice_name']}/{workers[0]['index']}"


def test_probes_see_the_cluster_through_ssh(far):
    status = json.loads(far.ok("probe.ssh-status", "--json"))
    assert (status["is_well"], status["is_pinned"]) == (True, True)
    assert json.loads(far.ok("probe.discover", "--json"))["verdict"] == "found"
    assert "controller healthy" in far.ok("probe.bootstrap-logs")
    assert "controller started" in far.ok("probe.logs", "--since", "1h")
    assert json.loads(far.ok("tunnel", "--json"))["is_direct"] is False


def test_a_workers_boot_is_told_without_ssh(far, worker):
    slice_name, _, index = worker.partition("/")

    said = far.ok("probe.bootstrap-logs", "--slice", slice_name, "--worker", index)

    assert f"worker {index}: registered" in said
    assert f"worker {int(index) + 1}:" not in said


def test_commands_run_on_one_worker_and_on_all(far, worker):
    ran = far.run("worker.ssh", worker, "--", "echo in; exit 3")
    assert (ran.status, ran.out) == (3, "rehearsal | in\n")

    lines = far.ok("worker.ssh", "--all", "--", "echo in").splitlines()
    slice_name = worker.partition("/")[0]
    wanted = {f"rehearsal | {slice_name}/{index}: in" for index in range(4)}
    assert set(lines) == wanted
    assert "no worker" in far.refused("worker.ssh", "x/0", "--", "true", status=1)


def test_openssh_takes_the_printed_settings(far, worker):
    file = far.folder / "ssh_config"
    file.write_text(far.ok("cluster.ssh-config"))

    for name in ("iris-eu-controller", worker.replace("/", "-")):
        words = ["ssh", "-F", str(file), name, "echo in"]
        ran = subprocess.run(words, capture_output=True, timeout=60, check=False)
        assert ran.stdout == b"in\n", ran


def test_a_secret_reaches_every_vm_of_a_slice_and_no_metadata_or_console(far):
    far.environment["TOKEN"] = f"{CANARY}-of-a-cloud"
    far.ok("secret.put", "SHARED=env:TOKEN")
    job = ("--no-bundle", "--tpu", "v5litepod-16", "--secret", "SHARED", "--name", "s")
    far.ok("job.run", *job, "--", "sh", "-c", SINGS)
    eventually(lambda: far.ok("job.logs", "s").count("24 letters\n") == 4)

    holders = files_with_it(far.folder)

    assert processes_with_it() == []
    assert places_of(holders) == {"secrets/cluster", "an attempt"}
    assert len(holders) == 1 + 4
    assert {p.stat().st_mode & 0o777 for p in holders} == {0o600}
    far.ok("job.cancel", "s")
    far.run("job.wait", "s")


def counts_of(far, job):
    return json.loads(far.ok("job.status", job, "--json"))["job"]["counts"]


@pytest.fixture
def much(tmp_path):
    """What is piped in, and no command reads."""
    path = tmp_path / "much"
    path.touch()
    os.truncate(path, MUCH)
    with path.open("rb", buffering=0) as file:
        yield file


def test_people_get_into_a_task_on_its_own_vm_and_a_cut_leaves_nothing_of_them(
    far, much
):
    gang = ("--no-bundle", "--tpu", "v5litepod-16", "--name", "stays")
    far.ok("job.run", *gang, "--", "sleep", "100000")
    eventually(lambda: counts_of(far, "stays") == {"running": 4}, within=30.0)
    every = bytes(range(256)) * 1000
    said = 'echo "$TPU_WORKER_ID" >&2; cat; exit 7'
    long = ("sh", "-c", "echo up; exec sleep 100001")

    ran = far.typed("job.exec", "stays/2", "--", "sh", "-c", said, sent=every)
    visiting = far.start("job.exec", "stays", "--", *long, stdin=much)
    assert visiting.stdout.readline() == "up\n"
    eventually(lambda: much.tell() == MUCH, within=30.0)  # it is theirs to read, too
    far.ok("rehearse.inject", "--kind", "ssh-cut", "--name", "iris-eu-tpu-*")
    _, words = visiting.communicate(timeout=60)
    eventually(lambda: ["sleep", "100001"] not in commands_in(far))
    counts = counts_of(far, "stays")
    far.ok("job.cancel", "stays")
    far.run("job.wait", "stays")

    assert (ran.returncode, ran.stdout, ran.stderr) == (7, every, b"2\n")
    assert visiting.returncode == 1
    assert "this is task 0 of 4" in words
    assert "was cut while it ran" in words
    assert counts == {"running": 4}


def commands_in(far):
    """The words of every process below the folder of a terminal."""
    found = []
    for process in processes_in(far.folder):
        with suppress(psutil.Error):
            found.append(process.cmdline())
    return found


SERVER = """
import os, http.server
own = os.environ["TPU_WORKER_HOSTNAMES"].split(",")[int(os.environ["TPU_WORKER_ID"])]
os.chdir(os.environ["IRIS_VM"] + "/attempts/" + os.environ["IRIS_ATTEMPT_UID"])
serve = http.server.SimpleHTTPRequestHandler
http.server.HTTPServer((own, 6006), serve).serve_forever()
"""


def test_a_port_of_a_tasks_vm_is_here_over_cuts_of_ssh(far):
    gang = ("--no-bundle", "--tpu", "v5litepod-16", "--name", "board")
    far.ok("job.run", *gang, "--", "python", "-c", SERVER)
    eventually(lambda: counts_of(far, "board") == {"running": 4}, within=30.0)

    forwarding = far.start("job.forward", "board/3", "6006")
    said = forwarding.stdout.readline()
    url = said.split()[2]
    first = requests.get(url, timeout=30).text
    far.ok("rehearse.inject", "--kind", "ssh-cut", "--name", "iris-eu-tpu-*")
    again = eventually(lambda: fetched(url), within=30.0)
    far.ok("job.cancel", "board")
    _, words = forwarding.communicate(timeout=60)

    assert "leads to port 6006 of attempt 0 of task 3 of job board on" in said
    assert "output" in first
    assert first == again
    assert forwarding.returncode == 0
    assert "task 3 of job board " in words


def fetched(url):
    with suppress(requests.RequestException):
        return requests.get(url, timeout=10).text
    return ""


@pytest.mark.timeout(200)
def test_a_state_disk_of_another_uid_stops_a_start_until_it_is_adopted(far):
    record = far.home / "clusters" / "iris-eu" / "record.json"
    far.environment["TOKEN"] = "stays"
    far.ok("secret.put", "KEPT=env:TOKEN")
    far.ok("cluster.stop", "--no-dry-run")
    uid = json.loads(record.read_text())["cluster_uid"]
    record.write_text(record.read_text().replace(uid, "c0other"))

    refused = far.refused("cluster.start", "--config", "eu-west4.yaml", status=1)
    assert f"--adopt {uid}" in refused
    adopted = far.ok("cluster.start", "--config", "eu-west4.yaml", "--adopt", uid)

    assert uid in adopted
    assert json.loads(record.read_text())["cluster_uid"] == uid
    assert "one" in far.ok("job.list")
    assert "KEPT" in far.ok("secret.list")
