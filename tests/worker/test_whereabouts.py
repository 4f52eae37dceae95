"""Attempts hear where the controller is now, each where it can look."""

from __future__ import annotations

import pytest

from iris.domain.machine import VmMetadata
from iris.domain.protocol import AttemptSpec
from iris.domain.resources import Resources
from iris.worker.agent.desk import Desk
from iris.worker.agent.environment import attempt_environment
from iris.worker.agent.whereabouts import Whereabouts
from iris.worker.folders import VmFolder


@pytest.mark.parametrize(
    ("runtime", "place"),
    [("process", "controller"), ("docker", "attempts/a-1/controller")],
)
def test_a_controller_that_moves_is_told_to_what_lives(tmp_path, runtime, place):
    folder, desk, spec = VmFolder(tmp_path), Desk(), a_spec()
    metadata = told(runtime)
    whereabouts = Whereabouts(folder, metadata, desk)
    desk.take_in(spec)
    whereabouts.tell("a-1")
    before = (tmp_path / place).read_text()

    whereabouts.answered_at("http://10.0.0.2:10000")
    env = attempt_environment(spec, metadata, "", folder)

    assert before == "http://10.0.0.1:10000\n"
    assert env["IRIS_CONTROLLER_FILE"] == str(tmp_path / place)
    assert env["IRIS_CONTROLLER_URL"] == "http://10.0.0.2:10000"
    assert (tmp_path / place).read_text() == "http://10.0.0.2:10000\n"
    assert (tmp_path / place).stat().st_mode & 0o777 == 0o644


def test_what_has_ended_is_not_told_and_no_folder_comes_back(tmp_path):
    folder, desk = VmFolder(tmp_path), Desk()
    desk.never_started("a-1")

    Whereabouts(folder, told("docker"), desk).answered_at("http://10.0.0.2:10000")

    assert not folder.attempts.exists()


def test_where_there_is_no_room_it_is_where_it_was_when_the_vm_was_made(tmp_path):
    folder, metadata = VmFolder(tmp_path / "gone"), told("process")
    folder.root.write_text("a file is in the way")

    Whereabouts(folder, metadata, Desk()).tell("a-1")
    env = attempt_environment(a_spec(), metadata, "", folder)

    assert env["IRIS_CONTROLLER_URL"] == "http://10.0.0.1:10000"


def told(runtime: str) -> VmMetadata:
    """What a VM on a cloud is told."""
    return VmMetadata(
        cluster="test",
        cluster_uid="c-1",
        slice_name="slice",
        slice_uid="s-1",
        index=0,
        vms=1,
        address="10.0.0.9",
        resources=Resources(cpus=4),
        runtime=runtime,
        controller_url="http://10.0.0.1:10000",
        join_token="",
    )


def a_spec() -> AttemptSpec:
    """An attempt of `true`."""
    return AttemptSpec(
        uid="a-1",
        job="job",
        job_uid="j-1",
        task_index=0,
        num_tasks=1,
        number=0,
        command=("true",),
        resources=Resources(),
        slice_name="slice",
        worker_index=0,
        hostnames=("10.0.0.9",),
    )
