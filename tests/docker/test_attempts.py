"""Attempts as containers of a real engine, with a real keeper and agent."""

from __future__ import annotations

import signal

import msgspec
import pytest

from iris.clock import RealClock
from iris.domain.containers import UID_LABEL, VM_LABEL
from iris.domain.jobs import EndCause
from iris.domain.resources import Resources
from iris.domain.states import AttemptState
from iris.images.registry import LocalRegistry
from iris.processes import send
from tests.support.eventually import eventually

pytestmark = pytest.mark.docker


def test_an_attempt_is_a_container_in_its_folder(vm):
    said = 'echo "$IRIS_ATTEMPT_UID $MINE $PWD"; touch made; printf "no end"'
    said = f'cat "$IRIS_CONTROLLER_FILE"; {said}'
    vm.controller.run("a-1", "sh", "-c", said, env={"MINE": "1"}, gang=True)
    eventually(lambda: vm.controller.state("a-1") == "prepared")
    vm.controller.want("a-1", "go", "127.0.0.1:1")

    report = vm.ended("a-1")

    assert (report.state, report.exit_code) == (AttemptState.SUCCEEDED, 0)
    told, *rest = vm.controller.output("a-1").splitlines()
    assert told == vm.controller.url
    assert rest == [f"a-1 1 {vm.root}/attempts/a-1/work", "no end"]
    limits = vm.controller.registrations[0].limits
    assert limits.cpu == "held: by the container's control group"


def test_nothing_of_an_ended_attempt_is_left(vm):
    vm.controller.run("a-1", "sh", "-c", "sleep 1000 & exit 3")

    report = vm.ended("a-1")

    assert (report.state, report.exit_code) == (AttemptState.FAILED, 3)
    eventually(lambda: vm.containers() == [])
    eventually(lambda: not (vm.root / "attempts" / "a-1").exists())
    eventually(lambda: list((vm.root / "known").iterdir()) == [])


def test_the_environment_is_the_images_and_no_secret_of_the_machine(vm):
    vm.controller.run("a-1", "env")

    vm.ended("a-1")

    env = dict(line.split("=", 1) for line in vm.controller.output("a-1").splitlines())
    assert env["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert env["IRIS_JOB"] == "job"
    assert "token" not in vm.controller.output("a-1")


@pytest.mark.parametrize("command", ["no-such-program", "./not-there"])
def test_a_command_that_is_not_in_its_image_says_so(vm, command):
    vm.controller.run("a-1", command)

    report = vm.ended("a-1")

    assert (report.cause, report.exit_code) == (EndCause.NO_SUCH_COMMAND, 127)
    assert command in report.detail


def test_a_stopped_attempt_has_its_grace_and_then_dies(vm):
    stubborn = "trap 'echo asked' TERM; echo up; while :; do sleep 0.1; done"
    vm.controller.run("a-1", "sh", "-c", stubborn, stop_grace=1.0)
    eventually(lambda: "up" in vm.controller.output("a-1"))

    vm.controller.want("a-1", "stop")
    report = vm.ended("a-1")

    assert (report.state, report.cause) == (AttemptState.CANCELLED, EndCause.STOPPED)
    assert vm.controller.output("a-1") == "up\nasked\n"


def test_an_attempt_that_is_stopped_ends_at_its_signal(vm):
    vm.controller.run("a-1", "sleep", "1000", stop_grace=1000.0)
    vm.is_running("a-1")

    vm.controller.want("a-1", "stop")

    assert vm.ended("a-1").cause is EndCause.STOPPED


def test_an_attempt_that_runs_too_long_is_ended(vm):
    vm.controller.run("a-1", "sleep", "1000", run_timeout=0.5)

    assert vm.ended("a-1").cause is EndCause.TIMED_OUT


def test_too_much_memory_is_told_apart_from_another_kill(vm):
    hungry = "x=a; while :; do x=$x$x; done"
    bound = Resources(cpus=1, memory_bytes=32 << 20)
    vm.controller.run("hungry", "bash", "-c", hungry, resources=bound)
    vm.controller.run("killed", "sh", "-c", "kill -9 $$", resources=bound)

    hungry_end, killed_end = vm.ended("hungry"), vm.ended("killed")

    assert hungry_end.cause is EndCause.OUT_OF_MEMORY
    assert hungry_end.detail == "used more than its 34 MB"
    assert (killed_end.cause, killed_end.exit_code) == (EndCause.SIGNALLED, 137)


def test_cpu_and_memory_are_the_containers_limits(vm):
    bound = Resources(cpus=0.5, memory_bytes=64 << 20)
    vm.controller.run("a-1", "sleep", "1000", resources=bound)
    vm.is_running("a-1")

    limits = vm.inspect("a-1", "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}")

    assert limits == f"500000000 {64 << 20}"


def test_an_attempt_outlives_its_keeper_and_the_next_adopts_it(vm):
    count = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done; exit 7"
    vm.controller.run("a-1", "sh", "-c", count)
    eventually(lambda: "1" in vm.controller.output("a-1"))
    pid = vm.inspect("a-1", "{{.State.Pid}}")

    vm.restart_keeper()
    assert vm.inspect("a-1", "{{.State.Pid}}") == pid
    report = vm.ended("a-1")

    assert (report.state, report.exit_code) == (AttemptState.FAILED, 7)
    assert vm.controller.output("a-1") == "1\n2\n3\n4\n5\n6\n"
    assert len(vm.controller.registrations) == 1
    assert len({beat.boot_id for beat in vm.controller.heartbeats}) == 1


def test_an_end_while_there_is_no_keeper_is_reported_by_the_next(vm):
    vm.controller.run("a-1", "sh", "-c", "echo up; sleep 1; echo down; exit 5")
    eventually(lambda: "up" in vm.controller.output("a-1"))

    send(vm.keeper.pid)
    vm.keeper.wait()
    eventually(lambda: vm.inspect("a-1", "{{.State.Running}}") == "false")
    vm.keeper = vm.start_keeper()
    report = vm.ended("a-1")

    assert (report.cause, report.exit_code) == (EndCause.EXITED, 5)
    assert vm.controller.output("a-1") == "up\ndown\n"
    eventually(lambda: vm.containers() == [])


def test_a_container_that_was_made_and_never_started_is_no_success(vm):
    vm.controller.run("a-1", "sleep", "1000")
    vm.is_running("a-1")
    send(vm.keeper.pid)
    vm.keeper.wait()
    name = vm.inspect("a-1", "{{.Name}}").removeprefix("/")
    labels = (f"{VM_LABEL}={vm.root}", f"{UID_LABEL}=a-1")

    vm.engine.run("rm", "--force", name, about="remove")
    words = ("--name", name, "--label", labels[0], "--label", labels[1])
    vm.engine.run("create", *words, vm.image, "true", about="create")
    vm.keeper = vm.start_keeper()
    report = vm.ended("a-1")

    assert (report.state, report.cause) == (AttemptState.LOST, EndCause.WORKER_LOST)
    eventually(lambda: vm.containers() == [])


def test_a_keeper_that_is_told_to_stop_leaves_its_attempts_running(vm):
    vm.controller.run("a-1", "sh", "-c", "sleep 2; echo done")
    vm.is_running("a-1")

    vm.keeper.send_signal(signal.SIGTERM)
    vm.keeper.wait()
    assert vm.inspect("a-1", "{{.State.Running}}") == "true"
    vm.keeper = vm.start_keeper()

    assert vm.ended("a-1").state is AttemptState.SUCCEEDED
    assert vm.controller.output("a-1") == "done\n"


def test_after_a_boot_of_its_machine_nothing_is_adopted(vm):
    vm.controller.run("a-1", "sleep", "1000")
    vm.is_running("a-1")
    send(vm.keeper.pid)
    vm.keeper.wait()

    said = msgspec.json.decode((vm.root / "keeper.json").read_bytes())
    said["machine"] = "an earlier boot"
    (vm.root / "keeper.json").write_bytes(msgspec.json.encode(said))
    with vm.controller.lock:
        del vm.controller.wanted["a-1"]
    vm.keeper = vm.start_keeper()

    eventually(lambda: vm.containers() == [])
    former = vm.controller.heartbeats[0].boot_id
    eventually(lambda: vm.controller.heartbeats[-1].boot_id != former)


def test_an_image_that_is_not_there_is_the_users_fault(vm, tmp_path):
    with LocalRegistry(RealClock(), tmp_path / "registry") as registry:
        image = f"{registry.address}/not/there:1"
        vm.controller.run("a-1", "true", image=image)
        report = vm.ended("a-1")

    assert (report.state, report.cause) == (
        AttemptState.FAILED,
        EndCause.NO_SUCH_IMAGE,
    )
    assert f"image {image} cannot be pulled" in report.detail


def test_attempts_that_need_the_same_image_share_its_pull(vm, tmp_path):
    with LocalRegistry(RealClock(), tmp_path / "registry") as registry:
        image = f"{registry.address}/other:1"
        vm.engine.run("tag", vm.image, image, about="tag")
        vm.engine.run("push", image, about="push", deadline=120.0)
        vm.engine.run("rmi", image, about="rmi")
        try:
            for uid in ("a-1", "a-2", "a-3"):
                vm.controller.run(uid, "true", image=image)
            ends = [vm.ended(uid, within=60.0) for uid in ("a-1", "a-2", "a-3")]
        finally:
            vm.engine.try_("rmi", image)

    assert {end.state for end in ends} == {AttemptState.SUCCEEDED}
    assert vm.log().count("image pulled") == 1


def test_a_registry_that_is_away_is_asked_again(vm):
    vm.controller.run("a-1", "true", image="127.0.0.1:1/not/there:1")
    eventually(lambda: "attempt a-1 waits" in vm.log())

    vm.controller.want("a-1", "stop")

    assert vm.ended("a-1").state is AttemptState.CANCELLED
