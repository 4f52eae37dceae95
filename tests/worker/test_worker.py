"""A keeper and its agent as real processes, told what to do over real HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from iris.domain.jobs import EndCause
from iris.domain.machine import VmMetadata
from iris.domain.resources import Resources
from iris.domain.states import AttemptState
from iris.processes import send, with_variables
from tests.support.eventually import eventually
from tests.support.fake_controller import UID, FakeController

PYTHON = sys.executable


class Vm:
    """One VM's folder with a keeper, and the controller that it finds."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.controller = FakeController()
        metadata = VmMetadata(
            cluster="test",
            cluster_uid=UID,
            slice_name="slice",
            slice_uid="s-1",
            index=0,
            vms=1,
            address="127.0.0.1",
            resources=Resources(cpus=4),
            runtime="process",
            controller_url=self.controller.url,
            join_token="join",
            path_prefix=str(Path(PYTHON).parent),
        )
        root.mkdir(parents=True)
        (root / "metadata.json").write_bytes(msgspec.json.encode(metadata))
        self.keeper = self.start_keeper()

    def start_keeper(self) -> subprocess.Popen[bytes]:
        with (self.root / "keeper.log").open("ab") as log:
            return subprocess.Popen(
                [PYTHON, "-m", "iris.worker", "--vm", str(self.root)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"IRIS_VM": str(self.root)},
                start_new_session=True,
            )

    def pids(self) -> list[int]:
        """Every process of this VM."""
        return list(with_variables(IRIS_VM=str(self.root)))

    def pids_of(self, uid: str) -> list[int]:
        """Every process of an attempt."""
        return list(with_variables(IRIS_VM=str(self.root), IRIS_ATTEMPT_UID=uid))

    def agent(self) -> int:
        """The agent's pid."""
        children = psutil.Process(self.keeper.pid).children()
        agents = [c.pid for c in children if "iris.worker.agent" in c.cmdline()]
        return agents[0]

    def close(self) -> None:
        self.keeper.kill()
        self.keeper.wait()
        while left := self.pids():
            for pid in left:
                send(pid)
        self.controller.close()


@pytest.fixture
def vm(tmp_path):
    vm = Vm(tmp_path / "vm-0")
    yield vm
    vm.close()


def ended(vm, uid):
    return eventually(lambda: vm.controller.has_ended(uid), within=30)


def test_an_attempt_runs_with_its_environment_and_its_output_arrives_whole(vm):
    code = "import os; print(os.environ['IRIS_ATTEMPT_UID'], os.getcwd(), end='')"
    vm.controller.run("a-1", "python", "-c", code)

    report = ended(vm, "a-1")

    assert (report.state, report.exit_code) == (AttemptState.SUCCEEDED, 0)
    output = vm.controller.logs["a-1"].decode()
    assert output == f"a-1 {vm.root}/attempts/a-1/work"


def test_nothing_secret_is_in_the_environment_of_an_attempt(vm):
    vm.controller.run("a-1", "env")

    ended(vm, "a-1")

    output = vm.controller.logs["a-1"].decode()
    assert "token" not in output
    assert "join" not in output


def test_an_acknowledged_attempt_leaves_no_folder(vm):
    vm.controller.run("a-1", "true")

    ended(vm, "a-1")

    eventually(lambda: not (vm.root / "attempts" / "a-1").exists())


def test_a_command_that_is_not_there_says_so(vm):
    vm.controller.run("a-1", "no-such-program")

    report = ended(vm, "a-1")

    assert report.state is AttemptState.FAILED
    assert (report.cause, report.exit_code) == (EndCause.NO_SUCH_COMMAND, 127)
    assert b"no-such-program" in vm.controller.logs["a-1"]


def test_a_partial_last_line_and_a_closed_pipe_arrive_as_they_are(vm):
    vm.controller.run("a-1", "sh", "-c", "yes | head -n 2; printf 'no newline'")

    report = ended(vm, "a-1")

    assert report.state is AttemptState.SUCCEEDED
    assert vm.controller.logs["a-1"] == b"y\ny\nno newline"


def test_an_exit_status_is_a_failure_of_the_users(vm):
    vm.controller.run("a-1", "sh", "-c", "exit 3")

    report = ended(vm, "a-1")

    assert (report.state, report.cause) == (AttemptState.FAILED, EndCause.EXITED)
    assert report.exit_code == 3


def test_two_hundred_megabytes_of_output_arrive_whole(vm):
    code = "import sys\nfor i in range(200): sys.stdout.write('x' * 999_999 + '\\n')"
    vm.controller.run("a-1", "python", "-c", code)

    report = eventually(lambda: vm.controller.has_ended("a-1"), within=60)

    assert report.log_bytes == 200_000_000
    assert len(vm.controller.logs["a-1"]) == 200_000_000


def test_a_stop_ends_what_ignores_its_signal_and_what_left_its_session(vm):
    code = (
        "import os, signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "print('up', flush=True)\n"
        "signal.pause(); signal.pause()"
    )
    vm.controller.run("a-1", "python", "-c", code, stop_grace=0.3)
    eventually(lambda: vm.controller.logs.get("a-1"))

    vm.controller.want("a-1", "stop")
    report = ended(vm, "a-1")

    assert (report.state, report.cause) == (AttemptState.CANCELLED, EndCause.STOPPED)
    assert vm.pids_of("a-1") == []


def test_a_daemon_that_an_ended_attempt_leaves_behind_is_ended_too(vm):
    code = "import subprocess as s; s.Popen(['sleep', '1000'], start_new_session=True)"
    vm.controller.run("a-1", "python", "-c", code)

    report = ended(vm, "a-1")

    assert report.state is AttemptState.SUCCEEDED
    assert vm.pids_of("a-1") == []


def test_an_attempt_ends_when_its_time_is_over(vm):
    vm.controller.run("a-1", "sleep", "1000", run_timeout=0.3)

    report = ended(vm, "a-1")

    assert (report.state, report.cause) == (AttemptState.FAILED, EndCause.TIMED_OUT)


def test_an_attempt_above_its_memory_is_ended_and_told_so(vm):
    hungry = "import signal; x = b'1' * 200_000_000; signal.pause()"
    bound = Resources(memory_bytes=100_000_000)
    vm.controller.run("a-1", "python", "-c", hungry, resources=bound)

    report = ended(vm, "a-1")

    assert report.cause is EndCause.OUT_OF_MEMORY
    assert "of 100 MB" in report.detail


def test_a_stop_for_an_attempt_that_never_came_is_confirmed(vm):
    eventually(lambda: vm.controller.heartbeats)

    vm.controller.want("a-9", "stop")
    report = ended(vm, "a-9")

    assert report.state is AttemptState.CANCELLED


def test_what_runs_but_is_not_wanted_is_ended(vm):
    vm.controller.run("a-1", "sleep", "1000", stop_grace=0.2)
    eventually(lambda: vm.controller.state("a-1") == "running")

    with vm.controller.lock:
        del vm.controller.wanted["a-1"]

    assert ended(vm, "a-1").state is AttemptState.CANCELLED


def test_a_member_of_a_gang_waits_for_go_and_reports_a_port(vm):
    code = "import os; print(os.environ['IRIS_COORDINATOR'], end='')"
    vm.controller.run("a-1", "python", "-c", code, gang=True)
    eventually(lambda: vm.controller.state("a-1") == "prepared")
    port = vm.controller.reports["a-1"].coordinator_port

    vm.controller.want("a-1", "go", f"127.0.0.1:{port}")
    ended(vm, "a-1")

    assert vm.controller.logs["a-1"].decode() == f"127.0.0.1:{port}"


def test_a_killed_agent_is_started_anew_and_nothing_is_lost(vm):
    code = "import sys, time\nfor i in range(20): print(i, flush=True); time.sleep(0.1)"
    vm.controller.run("a-1", "python", "-c", code)
    eventually(lambda: vm.controller.state("a-1") == "running")

    send(vm.agent(), signal.SIGKILL)
    report = ended(vm, "a-1")

    assert report.state is AttemptState.SUCCEEDED
    assert vm.controller.logs["a-1"].decode().split() == [str(i) for i in range(20)]
    assert vm.controller.registrations == 1
    seqs = [heartbeat.seq for heartbeat in vm.controller.heartbeats]
    assert seqs == sorted(set(seqs))


def test_a_second_keeper_of_the_same_vm_ends_at_once(vm):
    eventually(lambda: vm.controller.heartbeats)

    assert vm.start_keeper().wait(timeout=10) == 0


def test_a_nudge_brings_the_next_heartbeat_at_once(vm):
    vm.controller.interval = 60.0
    eventually(lambda: vm.controller.heartbeats)
    before = len(vm.controller.heartbeats)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"", ("127.0.0.1", vm.controller.heartbeats[-1].nudge_port))

    eventually(lambda: len(vm.controller.heartbeats) > before, within=5)


def test_a_keeper_that_is_asked_to_end_ends_everything_of_its_vm(vm):
    vm.controller.run("a-1", "sleep", "1000")
    eventually(lambda: vm.controller.state("a-1") == "running")

    vm.keeper.send_signal(signal.SIGTERM)
    vm.keeper.wait(timeout=20)

    eventually(lambda: vm.pids() == [])
