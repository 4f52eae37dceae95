"""Visits to an attempt: in its folder and environment, and nothing of them is left."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
from typing import Any

import pytest

from iris.domain.entering import Interrupted, Resized
from tests.support.eventually import eventually
from tests.support.visitor import Visitor
from tests.support.vm import Vm

# It hears no signal but the last, and its child has left its group.
STUBBORN = "trap '' HUP INT TERM; setsid sleep 1000 & echo up; wait; wait"

MUCH = bytes(1 << 20)
TURNS = 40  # of which the command reads nothing


class Visited:
    """A VM with an attempt that goes on while others come and leave."""

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.uid = f"a-{secrets.token_hex(4)}"  # a visit looks on the whole machine
        vm.controller.run(self.uid, "sleep", "1000", env={"MINE": "a b"})
        vm.is_running(self.uid)

    def visit(self, *words: str, **how: Any) -> Visitor:
        return Visitor(self.uid, *words, **how)

    def is_alone(self) -> bool:
        """Does it run, and nobody else beside it?"""
        is_running = self.vm.controller.state(self.uid) == "running"
        return is_running and len(self.vm.pids_of(self.uid)) == 1


@pytest.fixture(scope="module")
def attempt(tmp_path_factory):
    """One attempt for all visits of a module."""
    vm = Vm(tmp_path_factory.mktemp("visited") / "vm")
    yield Visited(vm)
    vm.close()


def test_a_command_runs_in_the_attempts_folder_and_environment(attempt):
    said = 'pwd; echo "$MINE $IRIS_TASK_INDEX"; echo aside >&2; exit 7'

    with attempt.visit("sh", "-c", said) as visitor:
        left = visitor.left()

    work = attempt.vm.root / "attempts" / attempt.uid / "work"
    assert left == (7, f"{work}\na b 0\n".encode(), b"aside\n")


def test_what_is_typed_arrives_byte_for_byte_and_ends_where_it_ends(attempt):
    every = bytes(range(256)) * 40

    with attempt.visit("cat") as visitor:
        visitor.type(every, every, b"")
        left = visitor.left()

    assert left == (0, every * 2, b"")


def test_words_arrive_as_they_were_typed(attempt):
    words = ("a b", "$HOME", "", "'\"", "\udcff")

    with attempt.visit("printf", "%s|", *words) as visitor:
        left = visitor.left()

    assert left.out == b"a b|$HOME||'\"|\xff|"


def test_a_command_that_cannot_be_run_is_named(attempt):
    with attempt.visit("no-such-program") as visitor:
        left = visitor.left()

    assert left.status == 127
    assert (
        left.err == b"iris: cannot run 'no-such-program': No such file or directory\n"
    )


def test_an_attempt_that_is_not_here_is_one_line(attempt):
    with Visitor("a-other", "true") as visitor:
        left = visitor.left()

    assert (left.status, left.out) == (1, b"")
    assert left.err.startswith(b"iris: attempt a-other does not run any more, or not")


def test_ctrl_c_is_the_commands_and_the_attempt_goes_on(attempt):
    with attempt.visit("sh", "-c", "echo up; exec sleep 1000") as visitor:
        visitor.heard(b"up")
        visitor.say(Interrupted())
        left = visitor.left()

    assert left.status == 128 + signal.SIGINT
    assert attempt.is_alone()


@pytest.mark.parametrize("how", ["cut", "killed"])
def test_nothing_is_left_once_the_line_is_cut(attempt, how):
    with attempt.visit("bash", "-c", STUBBORN) as visitor:
        visitor.heard(b"up")
        if how == "cut":
            visitor.cut()
        else:
            visitor.process.terminate()
        visitor.left()

    assert attempt.is_alone()


def test_a_command_that_reads_nothing_of_much_is_ended_after_a_while(attempt):
    flags = ("--stalled-after", "1", "--most-unread", "1000000")

    with attempt.visit("sleep", "1000", flags=flags) as visitor:
        visitor.type(*[MUCH] * 10, b"")
        left = visitor.left()

    assert left.err.startswith(b"iris: what is typed is not read")
    assert attempt.is_alone()


def test_ctrl_c_is_heard_behind_much_that_is_not_read(attempt):
    with attempt.visit("sleep", "1000", flags=("--stalled-after", "5")) as visitor:
        visitor.type(*[MUCH] * TURNS)
        visitor.say(Interrupted())
        left = visitor.left()

    assert left == (128 + signal.SIGINT, b"", b"")


def test_a_cut_is_seen_behind_much_that_is_not_read(attempt):
    with attempt.visit("sleep", "1000", flags=("--stalled-after", "5")) as visitor:
        visitor.type(*[MUCH] * TURNS)
        visitor.cut()
        left = visitor.left()

    assert left == (128 + signal.SIGHUP, b"", b"")
    assert attempt.is_alone()


def test_what_is_read_late_arrives_byte_for_byte(attempt):
    pieces = [secrets.token_bytes(1 << 20) for _ in range(TURNS)]

    with attempt.visit("sh", "-c", "sleep 1; sha256sum") as visitor:
        visitor.type(*pieces, b"")
        left = visitor.left()

    expected = hashlib.sha256(b"".join(pieces)).hexdigest()
    assert left.out.split() == [expected.encode(), b"-"]


def test_what_a_command_left_behind_ends_with_it(attempt):
    with attempt.visit("sh", "-c", "setsid sleep 1000 & echo done") as visitor:
        left = visitor.left()

    assert left.out == b"done\n"
    assert attempt.is_alone()


def test_a_shell_has_a_terminal_with_the_windows_size(attempt):
    with attempt.visit(terminal="dumb") as visitor:
        # one job: between two, ^C may reach one that has ended already and is lost
        visitor.type(b"sh -c 'stty size; exec sleep 1000'\r")
        visitor.heard(b"40 100")
        visitor.type(b"\x03")
        visitor.say(Resized(50, 120))
        visitor.type(b"stty size; echo $TERM-$MINE; exit 5\r")
        left = visitor.left()

    assert left.status == 5
    assert b"50 120\r\ndumb-a b\r\n" in left.out
    assert attempt.is_alone()


def test_a_visit_ends_with_its_attempt(vm):
    uid = f"a-{secrets.token_hex(4)}"
    vm.controller.run(uid, "sleep", "1000")
    vm.is_running(uid)

    with Visitor(uid, "sh", "-c", "echo up; exec sleep 123.8") as visitor:
        visitor.heard(b"up")
        vm.controller.want(uid, "stop")
        left = visitor.left()

    assert left.err == b"iris: the attempt has ended\n"
    eventually(lambda: vm.running("sleep", "123.8") == [])


def test_a_command_that_is_killed_with_its_attempt_says_why_it_ended(vm):
    uid = f"a-{secrets.token_hex(4)}"
    vm.controller.run(uid, "sleep", "1000.1")
    vm.is_running(uid)

    with Visitor(uid, "sh", "-c", "echo up; exec sleep 123.9") as visitor:
        visitor.heard(b"up")
        for words in (("sleep", "123.9"), ("sleep", "1000.1")):
            (pid,) = eventually(lambda words=words: vm.running(*words))
            os.kill(pid, signal.SIGKILL)
        left = visitor.left()

    assert (left.status, left.err) == (137, b"iris: the attempt has ended\n")


def test_a_command_that_is_killed_alone_ends_without_a_word(attempt):
    with attempt.visit("sh", "-c", "kill -9 $$") as visitor:
        left = visitor.left()

    assert (left.status, left.err) == (137, b"")
    assert attempt.is_alone()
