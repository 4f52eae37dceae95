from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from iris.client import records
from iris.client.records import Record
from iris.domain.states import JobState, SliceState
from iris.errors import (
    FellShort,
    FileDiffers,
    Late,
    NoCluster,
    PortTaken,
    StoreFailed,
    Unreachable,
)
from iris.operations import cluster as operation
from iris.session import open_session
from tests.support.cluster import QUICK
from tests.support.eventually import eventually
from tests.support.machine import kill, processes_in

KEPT_WARM = QUICK.replace("max_slices: 1}", "max_slices: 1, min_slices: 1}")


def stop(cluster, **options):
    return operation.stop(cluster.session, cluster.said.append, **options)


def slices_up(cluster):
    """The names of the slices that are ready."""
    return [s.name for s in cluster.client.slices() if s.state is SliceState.READY]


# Start


def test_a_started_cluster_answers_and_is_remembered(make_cluster):
    cluster = make_cluster()

    started = cluster.start()

    token_file = Path(started.token_file)
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert records.last().cluster == started.cluster == "proof"
    assert records.config_text("proof") == QUICK
    status = operation.status(open_session())
    assert (status.uid, status.url) == (started.uid, started.url)
    assert status.token_file == started.token_file
    assert status.version == started.version
    assert status.provider == "local"


def test_starting_a_cluster_that_runs_says_so_and_changes_nothing(cluster):
    pid = cluster.controller.pid

    again = cluster.start()

    assert again.ran_already
    assert cluster.controller.pid == pid
    assert "runs already" in cluster.said[-1]


def test_starting_with_a_changed_file_says_what_differs_and_how_to_apply_it(cluster):
    cluster.file.write_text(QUICK.replace("memory: 32GB", "memory: 16GB"))

    with pytest.raises(FileDiffers) as raised:
        cluster.start()

    assert "scale_groups/cpu/memory: 32GB -> 16GB" in raised.value.message
    assert f"inv cluster.restart --config {cluster.file}" in raised.value.hint
    assert records.config_text("proof") == QUICK  # what runs


def test_a_file_that_differs_only_in_its_words_is_the_same(cluster):
    cluster.file.write_text(f"# mine\n{QUICK}")

    assert cluster.start().ran_already


def test_a_machine_without_a_record_finds_the_running_cluster(cluster):
    uid = cluster.session.cluster_uid
    records.forget("proof")

    found = cluster.start()

    assert (found.ran_already, found.uid) == (True, uid)
    assert cluster.session.cluster_uid == uid


def test_a_record_of_a_former_cluster_gives_way_to_the_one_that_runs(cluster):
    uid = cluster.session.cluster_uid
    records.save(Record("proof", "c-former", "x"), config_text=QUICK)

    assert cluster.start().uid == uid


def test_a_killed_controller_is_started_again_on_its_state(cluster):
    uid = cluster.session.cluster_uid
    job = cluster.submit("true")
    cluster.wait(job)
    kill(cluster.controller)

    started = cluster.start()

    assert (started.ran_already, started.uid) == (False, uid)
    assert cluster.client.job(job.uid).state is JobState.SUCCEEDED


def test_a_dry_start_says_what_would_come_and_makes_nothing(make_cluster):
    cluster = make_cluster(KEPT_WARM)

    steps = operation.plan_start(cluster.session)

    assert steps == (
        "start the controller of cluster proof",
        "create 1 slices of cpu",
    )
    assert cluster.session.provider.list_leftovers() == ()
    assert cluster.session.record is None


def test_a_taken_port_is_said_by_its_number_and_another_one_helps(make_cluster):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cluster = make_cluster(QUICK.replace("port: 0", f"port: {port}"))

        with pytest.raises(PortTaken, match=f":{port}") as raised:
            cluster.start()

    assert "controller/port" in raised.value.hint
    cluster.file.write_text(QUICK)
    assert not cluster.start().ran_already


def test_a_controller_that_cannot_read_its_state_says_so(make_cluster):
    cluster = make_cluster()
    state = cluster.folder / "home" / "local" / "proof" / "state"
    state.mkdir(parents=True)
    (state / "iris.db").write_bytes(b"no database" * 100)

    with pytest.raises(StoreFailed, match=r"iris\.db"):
        cluster.start()


def test_a_start_that_takes_too_long_says_what_to_look_at(make_cluster):
    cluster = make_cluster()

    with pytest.raises(Late, match="does not answer yet") as raised:
        operation.start(cluster.session, cluster.said.append, wait=0.0)

    assert "inv probe.logs" in raised.value.hint


# Stop


def test_a_stopped_cluster_gave_its_slices_back_and_kept_its_state(make_cluster):
    cluster = make_cluster(KEPT_WARM)
    cluster.start()
    job = cluster.submit("true")
    cluster.wait(job)
    eventually(lambda: slices_up(cluster), within=30.0)
    assert "stop the controller, keep its state" in operation.plan_stop(cluster.session)

    stop(cluster)

    assert processes_in(cluster.folder) == []
    assert [e.kind for e in cluster.session.provider.list_leftovers()] == [
        "controller",
        "disk",
    ]
    with pytest.raises(NoCluster, match="no controller"):
        operation.status(cluster.session)
    stop(cluster)
    assert "stopped already" in cluster.said[-1]
    cluster.start()
    assert cluster.client.job(job.uid).state is JobState.SUCCEEDED
    eventually(lambda: slices_up(cluster), within=30.0)  # they come again


def test_slices_that_are_kept_go_on_and_are_taken_up_again(make_cluster):
    cluster = make_cluster(KEPT_WARM)
    cluster.start()
    (name,) = eventually(lambda: slices_up(cluster), within=30.0)
    keeper = cluster.keeper(cluster.vms[0])

    stopped = stop(cluster, keep_slices=True)

    assert stopped.kept == (name,)
    assert any(name in line and "paid for" in line for line in cluster.said)
    with pytest.raises(FellShort, match=name) as raised:
        stop(cluster)
    assert "inv cleanup" in raised.value.hint
    cluster.start()
    assert eventually(lambda: slices_up(cluster)) == [name]
    assert keeper.is_running()


def test_a_stop_that_is_late_names_what_is_left_and_a_start_undoes_it(make_cluster):
    cluster = make_cluster(KEPT_WARM)
    cluster.start()
    eventually(lambda: slices_up(cluster), within=30.0)

    with pytest.raises(Late, match="proof-cpu-"):
        stop(cluster, wait=0.0)

    assert operation.status(cluster.session).draining
    assert cluster.start().ran_already
    assert not operation.status(cluster.session).draining


# Restart, status, plan


def test_there_is_nothing_to_restart_before_the_first_start(make_cluster):
    cluster = make_cluster()

    with pytest.raises(NoCluster) as raised:
        cluster.restart()

    assert f"inv cluster.start --config {cluster.file}" in raised.value.hint


def test_a_restart_applies_a_changed_file_and_the_plan_says_how(cluster):
    cluster.file.write_text(QUICK.replace("memory: 32GB", "memory: 16GB"))
    change = "scale_groups/cpu/memory: 32GB -> 16GB"

    planned = operation.plan(cluster.session)
    assert (planned.is_running, planned.changes) == (True, (change,))
    assert str(cluster.file) in planned.steps[0]
    assert {group.name for group in planned.autoscaler.groups} == {"cpu", "v5e-16"}
    assert f"change {change}" in operation.plan_restart(cluster.session)
    cluster.restart()

    assert cluster.start().ran_already
    assert operation.plan(cluster.session).changes == ()


def test_a_restarted_controller_listens_where_it_did(cluster):
    url = cluster.session.controller_url()

    assert cluster.restart().url == url


def test_a_dead_controller_is_said_at_once_with_what_to_run(cluster):
    cluster.controller.kill()
    eventually(lambda: cluster.session.controller_machine().phase == "stopped")

    with pytest.raises(Unreachable, match="dead") as raised:
        operation.status(cluster.session)

    assert "inv cluster.restart" in raised.value.hint


def test_a_plan_without_a_controller_is_the_plan_of_its_start(make_cluster):
    planned = operation.plan(make_cluster(KEPT_WARM).session)

    assert not planned.is_running
    assert planned.steps[-1] == "create 1 slices of cpu"


def test_no_secret_lies_in_the_folder_of_the_controller(cluster):
    folder = cluster.folder / "home" / "local" / "proof" / "controller"
    token = records.token("proof")

    content = [path.read_text() for path in folder.iterdir()]

    assert all(token not in text for text in content)
    assert os.environ["IRIS_HOME"] == str(cluster.folder / "home")
    assert json.loads((folder / "address.json").read_text())["cluster_uid"]
