"""Visits to attempts that are containers of a real engine."""

from __future__ import annotations

import pytest

from iris.domain.entering import Interrupted
from tests.support.eventually import eventually
from tests.support.visitor import Visitor

pytestmark = pytest.mark.docker


def test_people_get_into_a_container_and_nothing_of_a_visit_is_left(vm):
    vm.controller.run("a-1", "sleep", "1000", env={"MINE": "a b"})
    vm.is_running("a-1")
    every = bytes(range(256)) * 40

    with Visitor("a-1", "sh", "-c", 'pwd; echo "$MINE"; echo x >&2; exit 7') as visitor:
        told = visitor.left()
    with Visitor("a-1", "cat") as visitor:
        visitor.type(every, b"")
        echoed = visitor.left()
    with Visitor("a-1", "sh", "-c", "echo up; exec sleep 1001") as visitor:
        visitor.heard(b"up")
        visitor.say(Interrupted())
        interrupted = visitor.left()
    with Visitor("a-1", "sh", "-c", "trap '' HUP; echo up; sleep 1002; :") as visitor:
        visitor.heard(b"up")
    with Visitor("a-1", terminal="dumb") as visitor:
        visitor.type(b"stty size; echo $MINE-$TERM; exit 5\r")
        shell = visitor.left()

    work = f"{vm.root}/attempts/a-1/work"
    assert told == (7, f"{work}\na b\n".encode(), b"x\n")
    assert echoed == (0, every, b"")
    assert interrupted.status == 130
    assert shell.status == 5
    assert b"a b-dumb" in shell.out
    eventually(lambda: vm.running("sleep", "1001") == vm.running("sleep", "1002") == [])
    assert vm.controller.state("a-1") == "running"


def test_a_visit_ends_with_its_container(vm):
    vm.controller.run("a-2", "sleep", "1000")
    vm.is_running("a-2")

    with Visitor("a-2", "sh", "-c", "echo up; exec sleep 1003") as visitor:
        visitor.heard(b"up")
        vm.controller.want("a-2", "stop")
        visitor.left()

    eventually(lambda: vm.running("sleep", "1003") == [])
