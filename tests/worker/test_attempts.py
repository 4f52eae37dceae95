"""Attempts as real processes of a real keeper: how they run, and how they end."""

from __future__ import annotations

import signal

import pytest

from iris.domain.jobs import EndCause
from iris.domain.resources import Resources
from iris.domain.states import AttemptState
from iris.processes import send
from tests.support.eventually import eventually


def test_an_attempt_runs_in_its_folder_and_its_partial_last_line_arrives(vm):
    code = "import os; print(os.environ['IRIS_ATTEMPT_UID'], os.getcwd(), end='')"
    vm.controller.run("a-1", "python", "-c", code)

    report = vm.ended("a-1")

    assert (report.state, report.exit_code) == (AttemptState.SUCCEEDED, 0)
    assert vm.controller.output("a-1") == f"a-1 {vm.root}/attempts/a-1/work"


def test_the_environment_of_an_attempt_is_the_contract_and_nothing_secret(vm):
    vm.controller.run("a-1", "env", env={"MINE": "1", "IRIS_JOB": "not mine"})

    vm.ended("a-1")

    lines = vm.controller.output("a-1").splitlines()
    env = dict(line.split("=", 1) for line in lines)
    assert env["MINE"] == "1"
    assert (env["IRIS_JOB"], env["IRIS_JOB_UID"]) == ("job", "j-1")
    assert (env["IRIS_TASK_INDEX"], env["IRIS_NUM_TASKS"]) == ("0", "1")
    assert (env["IRIS_SLICE"], env["IRIS_VM"]) == ("slice", str(vm.root))
    assert (env["TPU_WORKER_ID"], env["TPU_WORKER_HOSTNAMES"]) == ("0", "127.0.0.1")
    assert "token" not in vm.controller.output("a-1")


def test_an_acknowledged_attempt_leaves_no_folder(vm):
    mess = "mkdir -p deep/er && touch deep/er/file && chmod -R a-w deep"
    vm.controller.run("a-1", "sh", "-c", mess)

    vm.ended("a-1")

    eventually(lambda: not (vm.root / "attempts" / "a-1").exists())


def test_an_exit_status_is_a_failure_of_the_users(vm):
    vm.controller.run("a-1", "sh", "-c", "exit 3")

    report = vm.ended("a-1")

    assert (report.state, report.cause) == (AttemptState.FAILED, EndCause.EXITED)
    assert report.exit_code == 3


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (40, "signal 40")])
def test_an_attempt_that_a_signal_ends_says_which(vm, number, name):
    vm.controller.run("a-1", "sh", "-c", f"kill -{number} $$")

    report = vm.ended("a-1")

    assert (report.state, report.cause) == (AttemptState.FAILED, EndCause.SIGNALLED)
    assert (report.exit_code, report.detail) == (128 + number, f"ended by {name}")


# Commands that cannot be run


def test_a_command_that_is_not_there_says_so(vm):
    vm.controller.run("a-1", "no-such-program")

    report = vm.ended("a-1")

    assert report.state is AttemptState.FAILED
    assert (report.cause, report.exit_code) == (EndCause.NO_SUCH_COMMAND, 127)
    assert "cannot run 'no-such-program'" in vm.controller.output("a-1")


@pytest.mark.parametrize(
    "command",
    [("/etc/passwd",), ("echo", "a\0b"), ("echo", "x" * 3_000_000), ()],
    ids=["no program", "a zero byte", "too long", "no words"],
)
def test_a_command_that_no_machine_can_run_fails_and_the_keeper_lives(vm, command):
    vm.controller.run("a-1", *command)

    report = vm.ended("a-1")

    assert (report.state, report.exit_code) == (AttemptState.FAILED, 126)
    assert vm.controller.output("a-1").startswith("iris: cannot run")
    vm.controller.run("a-2", "true")
    assert vm.ended("a-2").state is AttemptState.SUCCEEDED


# Output


def test_two_hundred_megabytes_of_output_arrive_whole(vm):
    code = "import sys\nfor i in range(200): sys.stdout.write('x' * 999_999 + '\\n')"
    vm.controller.run("a-1", "python", "-c", code)

    report = vm.ended("a-1", within=60)

    assert report.log_bytes == 200_000_000
    assert len(vm.controller.logs["a-1"]) == 200_000_000


def test_a_closed_output_and_a_closed_pipe_end_like_any_other(vm):
    vm.controller.run("a-1", "sh", "-c", "echo first; exec >&- 2>&-; sleep 0.1; true")
    vm.controller.run("a-2", "bash", "-c", "set -o pipefail; yes | head -n 1")

    closed, pipe = vm.ended("a-1"), vm.ended("a-2")

    assert closed.state is AttemptState.SUCCEEDED
    assert vm.controller.output("a-1") == "first\n"
    assert (pipe.state, pipe.exit_code) == (AttemptState.FAILED, 128 + 13)
    assert vm.controller.output("a-2") == "y\n"


def test_those_that_print_without_end_do_not_keep_another_waiting(vm):
    endless = "while :; do head -c 2000000 /dev/zero; sleep 0.1; done"
    for index in range(5):
        vm.controller.run(f"a-{index}", "sh", "-c", endless)
    eventually(lambda: len(vm.controller.logs) == 5)

    vm.controller.run("b-1", "head", "-c", "100000", "/dev/zero")
    report = vm.ended("b-1")

    assert report.log_bytes == len(vm.controller.logs["b-1"]) == 100_000


# Ends, and what is left behind


def test_a_stop_ends_what_ignores_its_signal_and_what_left_its_session(vm):
    code = (
        "import os, signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "print('up', flush=True)\n"
        "signal.pause(); signal.pause()"
    )
    vm.controller.run("a-1", "python", "-c", code, stop_grace=0.3)
    eventually(lambda: vm.controller.output("a-1"))

    vm.controller.want("a-1", "stop")
    report = vm.ended("a-1")

    assert (report.state, report.cause) == (AttemptState.CANCELLED, EndCause.STOPPED)
    assert vm.pids_of("a-1") == []


def test_a_program_behind_a_shell_has_its_grace_though_the_shell_ends_at_once(vm):
    code = (
        "import signal, sys, time\n"
        "def save(*_): time.sleep(0.5); print('saved'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "print('up', flush=True)\n"
        "signal.pause()"
    )
    vm.controller.run("a-1", "sh", "-c", f'python -c "{code}"; true', stop_grace=20.0)
    eventually(lambda: vm.controller.output("a-1"))

    vm.controller.want("a-1", "stop")
    vm.ended("a-1")

    assert vm.controller.output("a-1") == "up\nsaved\n"


def test_a_daemon_that_an_ended_attempt_leaves_behind_is_ended_too(vm):
    code = "import subprocess as s; s.Popen(['sleep', '1000'], start_new_session=True)"
    vm.controller.run("a-1", "python", "-c", code)

    report = vm.ended("a-1")

    assert report.state is AttemptState.SUCCEEDED
    assert vm.pids_of("a-1") == []


def test_a_daemon_without_session_or_environment_is_found_by_its_folder(vm):
    vm.controller.run("a-1", "sleep", "1000", stop_grace=0.0)
    vm.is_running("a-1")
    vm.controller.run("a-2", "sh", "-c", "setsid env -i /bin/sleep 86399 & true")

    vm.ended("a-2")

    assert vm.running("/bin/sleep", "86399") == []
    assert vm.pids_of("a-1")


def test_a_daemon_that_bears_no_mark_ends_with_the_last_attempt(vm):
    hide = "cd / && setsid env -i /bin/sleep 86398 >/dev/null 2>&1 & true"
    vm.controller.run("a-1", "sh", "-c", hide)

    vm.ended("a-1")

    assert vm.running("/bin/sleep", "86398") == []


def test_a_stop_for_an_attempt_that_never_came_is_confirmed(vm):
    eventually(lambda: vm.controller.heartbeats)

    vm.controller.want("a-9", "stop")
    report = vm.ended("a-9")

    assert (report.state, report.cause) == (AttemptState.CANCELLED, EndCause.STOPPED)
    assert report.detail == "never started"


def test_what_runs_but_is_not_wanted_is_ended(vm):
    vm.controller.run("a-1", "sleep", "1000", stop_grace=0.2)
    vm.is_running("a-1")

    with vm.controller.lock:
        del vm.controller.wanted["a-1"]

    assert vm.ended("a-1").state is AttemptState.CANCELLED


# Limits


def test_an_attempt_ends_when_its_time_is_over(vm):
    vm.controller.run("a-1", "sleep", "1000", run_timeout=0.3)

    report = vm.ended("a-1")

    assert (report.state, report.cause) == (AttemptState.FAILED, EndCause.TIMED_OUT)
    assert report.detail == "ran longer than 0.3 s"


def test_an_attempt_above_its_memory_is_ended_and_told_so(vm):
    hungry = "import signal; x = b'1' * 200_000_000; signal.pause()"
    bound = Resources(memory_bytes=100_000_000)
    vm.controller.run("a-1", "python", "-c", hungry, resources=bound)

    report = vm.ended("a-1")

    assert report.cause is EndCause.OUT_OF_MEMORY
    assert "of 100 MB" in report.detail


def test_memory_that_forked_workers_share_counts_once(vm):
    code = (
        "import os, time\n"
        "x = b'1' * 60_000_000\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0: time.sleep(1.6); os._exit(0)\n"
        "for _ in range(4): os.wait()"
    )
    bound = Resources(memory_bytes=150_000_000)
    vm.controller.run("a-1", "python", "-c", code, resources=bound)

    assert vm.ended("a-1").state is AttemptState.SUCCEEDED


# Gangs


def test_a_member_of_a_gang_waits_for_go_and_reports_a_port(vm):
    code = "import os; print(os.environ['IRIS_COORDINATOR'], end='')"
    vm.controller.run("a-1", "python", "-c", code, gang=True)
    eventually(lambda: vm.controller.state("a-1") == "prepared")
    port = vm.controller.reports["a-1"].coordinator_port

    vm.controller.want("a-1", "go", f"127.0.0.1:{port}")
    vm.ended("a-1")

    assert vm.controller.output("a-1") == f"127.0.0.1:{port}"


def test_a_gang_that_is_stopped_at_the_barrier_never_starts(vm):
    vm.controller.run("a-1", "touch", str(vm.root / "started"), gang=True)
    eventually(lambda: vm.controller.state("a-1") == "prepared")

    vm.controller.want("a-1", "stop")
    report = vm.ended("a-1")

    assert (report.state, report.started_at) == (AttemptState.CANCELLED, 0.0)
    assert not (vm.root / "started").exists()


def test_an_attempt_frozen_by_somebody_else_ends_when_it_is_stopped(vm):
    vm.controller.run("a-1", "sleep", "1000", stop_grace=0.2)
    vm.is_running("a-1")

    (pid,) = vm.pids_of("a-1")
    send(pid, signal.SIGSTOP)
    vm.controller.want("a-1", "stop")

    assert vm.ended("a-1").state is AttemptState.CANCELLED
