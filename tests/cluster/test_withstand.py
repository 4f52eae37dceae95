"""What a cluster must withstand, done to it for real."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from iris.domain.states import AttemptState, JobState, TaskState
from iris.operations import cluster as operation
from iris.operations.holding import hold_command
from tests.support.cluster import settled
from tests.support.eventually import eventually
from tests.support.machine import processes_in

SUCCEEDED = TaskState.SUCCEEDED


def starts(cluster):
    return cluster.marks("start")


def a_running_task(cluster, **changes):
    """A job whose one task has started, and its VM's folder."""
    job = cluster.submit(*cluster.marking(cluster.until_released()), **changes)
    eventually(lambda: starts(cluster), within=30.0)
    eventually(lambda: cluster.client.job(job.uid).state is JobState.RUNNING)
    (vm,) = cluster.vms
    return job, vm


def test_a_killed_controller_loses_nothing_and_runs_nothing_twice(cluster):
    long = cluster.submit(
        *cluster.marking(cluster.until_released()), name="long", tasks=8
    )
    eventually(lambda: len(starts(cluster)) == 8, within=30.0)
    short = cluster.submit("true", name="short", tasks=1000)

    cluster.controller.kill()
    pids = {mark.pid for mark in starts(cluster)}
    cluster.restart()

    assert cluster.client.job(short.uid).counts == {TaskState.PENDING: 1000}
    assert {each.pid for each in processes_in(cluster.folder)} > pids
    cluster.release()
    assert cluster.wait(long).state is JobState.SUCCEEDED
    assert len(starts(cluster)) == len(cluster.marks("end")) == 8
    assert {settled(t) for t in cluster.client.tasks(long.uid)} == {
        (SUCCEEDED, 1, 0, 0)
    }
    ended = cluster.wait(short, within=100.0)
    assert ended.counts == {SUCCEEDED: 1000}
    assert {settled(t) for t in cluster.client.tasks(short.uid)} == {
        (SUCCEEDED, 1, 0, 0)
    }


def test_tasks_that_end_while_the_controller_is_away_are_not_run_again(cluster):
    job, _ = a_running_task(cluster)

    cluster.controller.kill()
    cluster.release()
    eventually(lambda: cluster.marks("end"))
    cluster.restart()

    assert cluster.wait(job).state is JobState.SUCCEEDED
    assert len(starts(cluster)) == 1


def test_a_client_rides_out_a_restart(cluster):
    job, _ = a_running_task(cluster)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cluster.wait, job)
        cluster.restart()
        cluster.release()

        assert waiting.result().state is JobState.SUCCEEDED


def test_a_killed_agent_is_restarted_and_its_attempt_goes_on(cluster):
    job, vm = a_running_task(cluster)
    first = cluster.agent(vm)

    first.kill()

    eventually(lambda: cluster.agent(vm).pid != first.pid)
    cluster.release()
    assert cluster.wait(job).state is JobState.SUCCEEDED
    assert [settled(t) for t in cluster.client.tasks(job.uid)] == [(SUCCEEDED, 1, 0, 0)]
    assert len(starts(cluster)) == 1


def kill_keeper(cluster, vm):
    cluster.keeper(vm).kill()


def kill_vm(cluster, vm):
    for process in cluster.all_of_vm(vm):
        with suppress(psutil.NoSuchProcess):  # it ended with one killed before it
            process.kill()


@pytest.mark.parametrize("kill", [kill_keeper, kill_vm])
def test_a_killed_vm_is_replaced_and_its_task_runs_again_as_a_loss(cluster, kill):
    job, vm = a_running_task(cluster)

    kill(cluster, vm)

    first = starts(cluster)[0]
    eventually(lambda: len(starts(cluster)) == 2, within=60.0)
    assert not _is_alive(first.pid)
    cluster.release()
    assert cluster.wait(job).state is JobState.SUCCEEDED
    assert [settled(t) for t in cluster.client.tasks(job.uid)] == [(SUCCEEDED, 2, 0, 1)]
    assert [a.state for a in cluster.attempts(job)] == [
        AttemptState.LOST,
        AttemptState.SUCCEEDED,
    ]
    assert vm not in cluster.vms
    assert cluster.all_of_vm(vm) == []


def test_a_hold_whose_vm_was_killed_ends_when_it_first_said(cluster):
    job = cluster.submit(*hold_command(20.0), hold=20.0)
    eventually(lambda: "held until" in cluster.printed(job), within=30.0)
    (vm,) = cluster.vms

    kill_vm(cluster, vm)

    eventually(lambda: "iris: as first told" in cluster.printed(job), within=60.0)
    assert cluster.wait(job).state is JobState.SUCCEEDED
    lost, last = cluster.attempts(job)
    assert lost.state is AttemptState.LOST
    assert last.ended_at > lost.running_at + 19.0  # it counts in whole seconds
    assert last.ended_at < last.running_at + 19.0  # those until the VM was missed count


def test_a_frozen_agent_becomes_lost_and_its_task_runs_again_once(cluster):
    job, vm = a_running_task(cluster)

    cluster.agent(vm).send_signal(signal.SIGSTOP)

    first = starts(cluster)[0]
    eventually(lambda: len(starts(cluster)) == 2, within=60.0)
    assert not _is_alive(first.pid)
    cluster.release()
    assert cluster.wait(job).state is JobState.SUCCEEDED
    assert [settled(t) for t in cluster.client.tasks(job.uid)] == [(SUCCEEDED, 2, 0, 1)]
    assert vm not in cluster.vms


def test_an_agent_that_thaws_in_time_goes_on_as_if_nothing_was(cluster):
    job, vm = a_running_task(cluster)
    agent = cluster.agent(vm)

    agent.suspend()
    eventually(lambda: cluster.client.workers()[0].state == "suspect", within=15.0)
    agent.resume()

    eventually(lambda: cluster.client.workers()[0].state == "healthy")
    cluster.release()
    assert cluster.wait(job).state is JobState.SUCCEEDED
    assert len(starts(cluster)) == 1


def test_a_gang_whose_member_fails_starts_again_together_once(cluster):
    dies = '[ "$IRIS_TASK_INDEX$IRIS_ATTEMPT" = 20 ] && exit 3'
    first_waits = '[ "$IRIS_ATTEMPT" = 0 ] && sleep 1000'
    job = cluster.submit_gang(*cluster.marking(dies, first_waits), max_retries=1)

    assert cluster.wait(job, within=90.0).state is JobState.SUCCEEDED

    tasks = cluster.client.tasks(job.uid)
    assert [each.attempts for each in tasks] == [2, 2, 2, 2]
    assert [each.failures for each in tasks].count(0) >= 3  # siblings pay nothing
    assert sorted(mark.task for mark in cluster.marks("end")) == [0, 1, 2, 3]
    assert {mark.attempt for mark in cluster.marks("end")} == {1}


def test_a_gang_that_lost_a_vm_starts_again_on_another_slice(cluster):
    waits = f'[ "$IRIS_ATTEMPT" = 0 ] && {{ {cluster.until_released()}; }}'
    job = cluster.submit_gang(*cluster.marking(waits))
    eventually(lambda: len(starts(cluster)) == 4, within=60.0)
    vms = cluster.vms

    kill_vm(cluster, vms[1])

    assert cluster.wait(job, within=90.0).state is JobState.SUCCEEDED
    tasks = cluster.client.tasks(job.uid)
    assert [(t.attempts, t.failures) for t in tasks] == [(2, 0)] * 4
    assert not set(cluster.vms) & set(vms)


def test_of_two_terminals_that_start_the_same_cluster_one_wins(make_cluster):
    cluster = make_cluster()
    said: list[list[str]] = [[], []]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(
            lambda lines: operation.start(cluster.session, lines.append), said
        )

    assert {first.ran_already, second.ran_already} == {False, True}
    assert (first.uid, first.url) == (second.uid, second.url)
    loser = said[0] if first.ran_already else said[1]
    assert any("runs already" in line for line in loser)
    assert cluster.session.cluster_uid == first.uid


def _is_alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"
