"""What people's programs see of a controller that goes away and comes back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from iris.client import Client
from iris.domain.jobs import JobSpec
from iris.domain.resources import Resources
from iris.domain.states import JobState
from iris.errors import NoCluster
from iris.operations.validate import require_sound, validate
from tests.support.eventually import eventually

LINES = 200
COUNTING = (
    f"i=0; while [ $i -lt {LINES} ]; do echo line $i; sleep 0.02; i=$((i+1)); done"
)
ONE_CPU = Resources(cpus=1.0)


def followed(cluster, job):
    """The output of a job as a program of its own follows it, piece by piece."""
    with cluster.session.controller(patience=60.0) as client:
        return [piece.content for piece in client.follow_log(job.uid)]


def _has_said(cluster, job, lines):
    return cluster.printed(job).count("\n") > lines


def test_a_followed_log_has_each_line_once_over_a_killed_controller(cluster):
    job = cluster.submit("sh", "-c", COUNTING)

    with ThreadPoolExecutor() as pool:
        following = pool.submit(followed, cluster, job)
        for share in (1, 2):
            eventually(
                partial(_has_said, cluster, job, share * LINES // 4), within=30.0
            )
            cluster.controller.kill()
            cluster.restart()
        pieces = following.result(timeout=60)

    said = b"".join(pieces).decode().splitlines()
    assert said == [f"line {number}" for number in range(LINES)]


def test_jobs_are_submitted_once_each_while_the_controller_is_restarted(cluster):
    stop = threading.Event()

    def submit_on(number):
        names = []
        with cluster.session.controller(patience=60.0) as client:
            while not stop.is_set():
                name = f"j{number}-{len(names)}"
                client.submit(JobSpec(("true",), name, resources=ONE_CPU))
                names.append(name)
        return names

    with ThreadPoolExecutor() as pool:
        submitting = [pool.submit(submit_on, number) for number in range(4)]
        for _ in range(3):
            cluster.controller.kill()
            cluster.restart()
        stop.set()
        names = [name for each in submitting for name in each.result(timeout=60)]

    found = [view.name for view in cluster.client.jobs(limit=1000)]
    assert sorted(found) == sorted(names)


def test_a_command_typed_during_a_restart_finds_the_cluster(cluster):
    stop = threading.Event()
    refused: list[str] = []

    def look_on():
        looks = 0
        while not stop.is_set():
            try:
                with cluster.session.controller(patience=60.0) as client:
                    client.cluster()
            except NoCluster as error:
                refused.append(str(error))
            looks += 1
        return looks

    with ThreadPoolExecutor() as pool:
        looking = pool.submit(look_on)
        for _ in range(5):
            cluster.restart()
        stop.set()
        looks = looking.result(timeout=60)

    assert looks > 0
    assert refused == []


def test_a_client_by_name_finds_a_controller_that_came_back_elsewhere(cluster):
    with Client.of_cluster(cluster.session.cluster) as client:
        before = client.cluster().started_at
        cluster.restart()

        assert client.cluster().started_at > before


def test_a_validation_is_sound_and_leaves_only_what_it_found(cluster):
    cluster.wait(cluster.submit("true"))
    found = [each.name for each in cluster.client.slices()]
    said: list[str] = []

    validated = validate(cluster.session, said.append)

    require_sound(validated)
    outcomes = {each.name: each.outcome for each in validated.phases}
    assert set(outcomes) == {"one-vm", "computation", "gang", "psum", "same-slice"}
    assert {outcomes[name] for name in outcomes if name != "psum"} == {"ok"}
    assert [each.name for each in cluster.client.slices()] == found
    live = {JobState.PENDING, JobState.RUNNING}
    assert {view.state for view in cluster.client.jobs(limit=100)} & live == set()
