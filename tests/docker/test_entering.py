"""Visits to attempts that are containers of a real engine."""

from __future__ import annotations

import secrets

import pytest

from iris.domain.entering import Interrupted
from iris.domain.jobs import EndCause
from tests.support.eventually import eventually
from tests.support.visitor import Visitor

pytestmark = pytest.mark.docker


@pytest.fixture
def uid():
    """A visit looks for its attempt on the whole machine."""
    return f"a-{secrets.token_hex(4)}"


def test_people_get_into_a_container_and_nothing_of_a_visit_is_left(vm, uid):
    vm.controller.run(uid, "sleep", "1000", env={"MINE": "a b"})
    vm.is_running(uid)
    every = bytes(range(256)) * 40

    with Visitor(uid, "sh", "-c", 'pwd; echo "$MINE"; echo x >&2; exit 7') as visitor:
        told = visitor.left()
    with Visitor(uid, "cat") as visitor:
        visitor.type(every, b"")
        echoed = visitor.left()
    with Visitor(uid, "sh", "-c", "echo up; exec sleep 1001") as visitor:
        visitor.heard(b"up")
        visitor.say(Interrupted())
        interrupted = visitor.left()
    with Visitor(uid, "sh", "-c", "trap '' HUP; echo up; sleep 1002; :") as visitor:
        visitor.heard(b"up")
    with Visitor(uid, terminal="dumb") as visitor:
        visitor.type(b"stty size; echo $MINE-$TERM; exit 5\r")
        shell = visitor.left()

    work = f"{vm.root}/attempts/{uid}/work"
    assert told == (7, f"{work}\na b\n".encode(), b"x\n")
    assert echoed == (0, every, b"")
    assert interrupted.status == 130
    assert shell.status == 5
    assert b"a b-dumb" in shell.out
    eventually(lambda: vm.running("sleep", "1001") == vm.running("sleep", "1002") == [])
    assert vm.controller.state(uid) == "running"


def test_a_visit_ends_with_its_container(vm, uid):
    vm.controller.run(uid, "sleep", "1000")
    vm.is_running(uid)

    with Visitor(uid, "sh", "-c", "echo up; exec sleep 1003") as visitor:
        visitor.heard(b"up")
        vm.controller.want(uid, "stop")
        visitor.left()

    eventually(lambda: vm.running("sleep", "1003") == [])


def test_the_place_of_a_failed_container_is_kept(vm, uid):
    failing = "touch made; sleep 0.2; exit 3"
    vm.controller.run(uid, "sh", "-c", failing, keep_on_failure=1000.0)
    eventually(lambda: "its place is kept until" in vm.controller.output(uid))
    eventually(lambda: vm.inspect(uid, "{{.State.Running}}") == "true")
    vm.restart_keeper()

    with Visitor(uid, "sh", "-c", "ls; echo $IRIS_JOB") as visitor:
        left = visitor.left()
    vm.controller.want(uid, "stop")
    report = vm.ended(uid)

    assert left == (0, b"made\njob\n", b"")
    assert (report.exit_code, report.cause) == (3, EndCause.EXITED)
    eventually(lambda: vm.containers() == [])
