"""The controller's machine of a local cluster: a folder and a process."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess

import pytest

from iris.clock import RealClock
from iris.errors import AlreadyExists
from iris.processes import started_at
from iris.providers import load_provider
from iris.providers.contract import ControllerRequest, Phase
from tests.support.eventually import eventually
from tests.support.local_cloud import CONFIG, REQUEST, TEXT, a_provider
from tests.support.machine import processes_in


def test_a_controller_that_was_killed_is_stopped_and_starts_again(home):
    provider = a_provider()
    provider.create_controller(ControllerRequest("c-1", TEXT))
    eventually(lambda: provider.list_controllers()[0].address)
    first = pid_of_controller(home)

    os.kill(first, signal.SIGKILL)
    eventually(lambda: provider.list_controllers()[0].phase is Phase.STOPPED)
    provider.create_controller(ControllerRequest("c-1", TEXT))

    eventually(lambda: provider.list_controllers()[0].address)
    assert pid_of_controller(home) != first


def test_who_finds_another_terminal_starting_it_is_told_what_to_do(home):
    folder = home / "local" / "mine"
    folder.mkdir(parents=True)
    with (folder / "starting.lock").open("w") as lock:
        lock.write("process 7")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(AlreadyExists, match="started by process 7") as refused:
            a_provider().create_controller(ControllerRequest("c-1", TEXT))

    assert "`inv cluster.status`" in refused.value.hint
    assert "end that process and start again" in refused.value.hint


def test_a_controller_whose_number_was_never_written_down_is_found(home):
    provider = a_provider()
    provider.create_controller(ControllerRequest("c-1", TEXT))
    file = home / "local" / "mine" / "controller" / "machine.json"
    content = json.loads(file.read_bytes())
    file.write_text(json.dumps({**content, "pid": 0}))

    eventually(lambda: provider.list_controllers()[0].phase is Phase.UP)
    provider.delete_controller()

    assert provider.list_controllers() == ()
    assert processes_in(home) == []


def test_a_controller_is_known_by_its_start_before_its_words_can_be_read(home):
    provider = a_provider()
    provider.create_controller(ControllerRequest("c-1", TEXT))
    provider.delete_controller()
    wordless = subprocess.Popen(["sleep", "1000"])
    labels = {"cluster_uid": "c-1", "created_at": 1.0, "pid": wordless.pid}
    file = home / "local" / "mine" / "controller" / "machine.json"

    file.write_text(json.dumps({**labels, "began": started_at(wordless.pid)}))
    assert provider.list_controllers()[0].phase is Phase.UP
    file.write_text(json.dumps({**labels, "began": 1.0}))
    assert provider.list_controllers()[0].phase is Phase.STOPPED

    wordless.kill()
    wordless.wait()


def test_a_controller_that_does_not_stop_by_itself_is_killed(home):
    provider = a_provider()
    provider.create_controller(ControllerRequest("c-1", TEXT))
    eventually(lambda: provider.list_controllers()[0].address)
    provider.create_slice(REQUEST)
    os.kill(pid_of_controller(home), signal.SIGSTOP)

    short = load_provider(CONFIG, "c-1", HurriedClock())
    short.delete_controller()

    assert provider.list_controllers() == ()
    assert [e.kind for e in provider.list_leftovers()].count("slice") == 1


class HurriedClock(RealClock):
    """Ten seconds of patience pass in one."""

    def now(self):
        return super().now() * 10


def pid_of_controller(home):
    file = home / "local" / "mine" / "controller" / "machine.json"
    return json.loads(file.read_bytes())["pid"]
