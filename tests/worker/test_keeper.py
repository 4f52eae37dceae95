"""The keeper of a VM: one at a time, survived by nothing, and surviving its agent."""

from __future__ import annotations

import signal

import msgspec
import psutil
import pytest

from iris.domain.jobs import EndCause
from iris.domain.states import AttemptState
from iris.processes import is_same, send, started_at
from tests.support.eventually import eventually


def test_a_killed_agent_is_started_anew_and_nothing_is_lost(vm):
    code = "import sys, time\nfor i in range(20): print(i, flush=True); time.sleep(0.1)"
    vm.controller.run("a-1", "python", "-c", code)
    vm.is_running("a-1")
    former = vm.agent()

    send(former)
    vm.agent_after(former)
    report = vm.ended("a-1")

    assert report.state is AttemptState.SUCCEEDED
    assert vm.controller.output("a-1").split() == [str(i) for i in range(20)]
    assert len(vm.controller.registrations) == 1
    seqs = [heartbeat.seq for heartbeat in vm.controller.heartbeats]
    assert seqs == sorted(set(seqs))


def test_an_attempt_that_ends_while_there_is_no_agent_is_reported_by_the_next(vm):
    vm.controller.run("a-1", "sh", "-c", "sleep 0.3; echo done")
    vm.is_running("a-1")

    for _ in range(3):  # each restart takes longer
        former = vm.agent()
        send(former)
        vm.agent_after(former)
    report = vm.ended("a-1")

    assert (report.state, report.exit_code) == (AttemptState.SUCCEEDED, 0)
    assert vm.controller.output("a-1") == "done\n"


def test_a_member_of_a_gang_is_prepared_again_by_the_next_agent(vm):
    vm.controller.run("a-1", "true", gang=True)
    eventually(lambda: vm.controller.state("a-1") == "prepared")
    former = vm.agent()

    send(former)
    vm.agent_after(former)
    vm.controller.want("a-1", "go", "127.0.0.1:1")

    assert vm.ended("a-1").state is AttemptState.SUCCEEDED


def test_a_frozen_agent_does_not_stop_its_keeper(vm):
    vm.controller.run("a-1", "sleep", "1000", run_timeout=0.5)
    vm.is_running("a-1")
    (pid,) = vm.pids_of("a-1")
    agent = psutil.Process(vm.agent())

    agent.suspend()
    eventually(lambda: started_at(pid) is None)
    agent.resume()

    assert vm.ended("a-1").cause is EndCause.TIMED_OUT


def test_the_keeper_says_who_it_is_and_what_it_started(vm):
    vm.controller.run("a-1", "sleep", "1000")
    vm.is_running("a-1")
    (pid,) = vm.pids_of("a-1")

    said = msgspec.json.decode((vm.root / "keeper.json").read_bytes())
    lines = [
        msgspec.json.decode(line)
        for line in (vm.root / "journal").read_bytes().splitlines()
    ]

    assert said["pid"] == vm.keeper.pid
    assert is_same(said["pid"], said["began"])
    assert [line["event"] for line in lines] == ["starting", "started"]
    assert (lines[1]["pid"], lines[1]["boot_id"]) == (pid, said["boot_id"])
    assert is_same(pid, lines[1]["began"])


@pytest.mark.parametrize("name", ["keeper.json", "worker.json", "journal"])
def test_what_the_keeper_writes_is_for_its_owner_only(vm, name):
    eventually((vm.root / "worker.json").exists)

    assert (vm.root / name).stat().st_mode & 0o777 == 0o600


def test_a_second_keeper_of_the_same_vm_ends_at_once(vm):
    eventually(lambda: vm.controller.heartbeats)

    assert vm.start_keeper().wait(timeout=10) == 0
    assert "has a keeper already" in vm.log()


@pytest.mark.parametrize("index", [4, -1, None, ""])
def test_a_vm_without_a_true_index_has_no_keeper(vm, index):
    vm.keeper.kill()
    vm.keeper.wait()

    told = msgspec.json.decode((vm.root / "metadata.json").read_bytes())
    told |= {"index": index, "vms": 4}
    (vm.root / "metadata.json").write_bytes(msgspec.json.encode(told))

    assert vm.start_keeper().wait(timeout=10) == 2
    assert "metadata.json" in vm.log().splitlines()[-1]


def test_a_killed_keeper_takes_its_agent_along_and_starts_nothing_anew(vm):
    vm.controller.run("a-1", "sleep", "1000")
    vm.is_running("a-1")
    agent = vm.agent()

    vm.keeper.kill()
    vm.keeper.wait()

    # what is left the provider ends, who sees the dead keeper
    eventually(lambda: started_at(agent) is None)
    assert vm.pids() == vm.pids_of("a-1")


def test_a_keeper_after_a_killed_one_is_another_boot_and_ends_what_was_left(vm):
    vm.controller.run("a-1", "sleep", "1000")
    vm.is_running("a-1")
    (former,) = vm.pids_of("a-1")
    first = vm.controller.heartbeats[-1]
    vm.keeper.kill()
    vm.keeper.wait()
    del vm.controller.wanted["a-1"]
    vm.controller.run("a-2", "true")

    vm.keeper = vm.start_keeper()
    vm.ended("a-2")

    last = vm.controller.heartbeats[-1]
    assert started_at(former) is None
    assert (last.worker_uid, last.seq > first.seq) == (first.worker_uid, True)
    assert last.boot_id != first.boot_id
    assert "a-1" not in {each.name for each in (vm.root / "attempts").iterdir()}


def test_a_keeper_that_is_asked_to_end_ends_everything_and_tells_how(vm):
    saves = f"trap 'echo saved > {vm.root}/saved; exit 9' TERM; sleep 1000 & wait"
    vm.controller.run("a-1", "sh", "-c", saves)
    vm.controller.run("a-2", "sh", "-c", "trap '' TERM; setsid sleep 1000; sleep 1000")
    vm.is_running("a-1")
    vm.is_running("a-2")

    vm.keeper.send_signal(signal.SIGTERM)
    vm.keeper.wait(timeout=20)

    assert (vm.root / "saved").exists()
    assert vm.pids() == []
    ends = [vm.controller.has_ended(uid) for uid in ("a-1", "a-2")]
    assert [(end.state, end.cause) for end in ends] == [("lost", "worker-lost")] * 2
    assert ends[0].detail == "its VM was told to stop"
    assert vm.controller.heartbeats[-1].is_ending
    assert vm.controller.heartbeats[-1].notice == ""  # the machine itself may stay
