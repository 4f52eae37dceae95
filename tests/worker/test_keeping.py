"""Attempts that failed hold their place for a while, if that was asked for."""

from __future__ import annotations

import secrets

import pytest

from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptReport
from iris.domain.states import AttemptState
from iris.processes import send
from tests.support.eventually import eventually
from tests.support.visitor import Visitor
from tests.support.vm import Vm

FAILING = ("sh", "-c", "echo doing; touch made; exit 3")


@pytest.fixture
def uid():
    """A visit looks for its attempt on the whole machine."""
    return f"a-{secrets.token_hex(4)}"


def kept(vm: Vm, uid: str) -> AttemptReport:
    """What its worker says of it once it has failed and holds its place."""

    def newest() -> AttemptReport | None:
        reports = [r for beat in vm.controller.heartbeats[-1:] for r in beat.attempts]
        return next((r for r in reports if r.uid == uid and r.kept_until), None)

    return eventually(newest)


def test_the_place_of_a_failed_attempt_is_there_to_get_into(vm, uid):
    vm.controller.run(uid, *FAILING, env={"MINE": "a b"}, keep_on_failure=1000.0)
    report = kept(vm, uid)

    with Visitor(uid, "sh", "-c", 'ls; echo "$MINE"') as visitor:
        left = visitor.left()

    assert report.state is AttemptState.RUNNING
    assert "failed (exit status 3), its place is kept until" in report.detail
    assert left == (0, b"made\na b\n", b"")
    eventually(lambda: "`inv job.exec job/0 -it` gets in" in vm.controller.output(uid))
    assert "environ" not in vm.controller.output(uid)
    assert (vm.root / "attempts" / uid / "kept").stat().st_mode & 0o777 == 0o600


def test_a_place_that_is_given_up_ends_as_it_failed_and_so_do_its_visitors(vm, uid):
    vm.controller.run(uid, *FAILING, keep_on_failure=1000.0)
    kept(vm, uid)

    with Visitor(uid, "sh", "-c", "echo up; exec sleep 1000") as visitor:
        visitor.heard(b"up")
        vm.controller.want(uid, "stop")
        left = visitor.left()
    report = vm.ended(uid)

    assert (report.state, report.cause) == (AttemptState.FAILED, EndCause.EXITED)
    assert (report.exit_code, report.kept_until) == (3, 0.0)
    assert left.err == b"iris: the attempt has ended\n"
    eventually(lambda: not (vm.root / "attempts" / uid).exists())


@pytest.mark.parametrize(
    ("command", "how", "cause"),
    [
        (("no-such-program",), {}, EndCause.NO_SUCH_COMMAND),
        (("sleep", "1000"), {"run_timeout": 0.2}, EndCause.TIMED_OUT),
    ],
)
def test_a_place_is_kept_for_its_time_whatever_the_fault_was(
    vm, uid, command, how, cause
):
    vm.controller.run(uid, *command, keep_on_failure=1.0, stop_grace=0.0, **how)

    kept(vm, uid)

    assert vm.ended(uid).cause is cause


def test_a_place_outlives_its_agent(vm, uid):
    vm.controller.run(uid, *FAILING, keep_on_failure=1000.0)
    before = kept(vm, uid)
    former = vm.agent()
    beats = len(vm.controller.heartbeats)

    send(former)
    vm.agent_after(former)
    eventually(lambda: len(vm.controller.heartbeats) > beats + 1)

    assert kept(vm, uid) == before


def test_a_place_outlives_its_keeper(vm, uid):
    leaves = 'echo half >"$IRIS_OUTPUT_DIR/model"; echo "$MINE" >mine; exit 3'
    env = {"MINE": "a b"}
    vm.controller.run(uid, "sh", "-c", leaves, env=env, keep_on_failure=1000.0)
    before = kept(vm, uid)
    vm.controller.run("a-2", "sleep", "1000")
    vm.is_running("a-2")
    (runs,) = vm.pids_of("a-2")

    vm.keeper.kill()
    vm.keeper.wait()
    beats = len(vm.controller.heartbeats)
    vm.keeper = vm.start_keeper()
    eventually(lambda: len(vm.controller.heartbeats) > beats + 1)
    after = kept(vm, uid)
    with Visitor(uid, "sh", "-c", 'cat mine; echo "$MINE"') as visitor:
        left = visitor.left()
    vm.controller.want(uid, "stop")
    report = vm.ended(uid)

    assert after == before
    assert left == (0, b"a b\na b\n", b"")
    assert (report.state, report.exit_code) == (AttemptState.FAILED, 3)
    assert uid in vm.controller.outputs
    assert runs not in vm.pids_of("a-2")
    eventually(lambda: not (vm.root / "attempts" / uid).exists())
    eventually(lambda: list((vm.root / "known").iterdir()) == [])


def test_nothing_is_kept_of_what_succeeds_or_is_stopped(vm, uid):
    vm.controller.run(uid, "true", keep_on_failure=1000.0)
    vm.controller.run("a-2", "sleep", "1000", keep_on_failure=1000.0)
    vm.is_running("a-2")
    vm.controller.want("a-2", "stop")

    assert vm.ended(uid).state is AttemptState.SUCCEEDED
    assert vm.ended("a-2").state is AttemptState.CANCELLED
