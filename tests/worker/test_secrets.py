"""Secrets on a worker: a file of the attempt's, and variables of its process."""

from __future__ import annotations

import signal
import stat

import pytest

from iris.domain.jobs import EndCause
from iris.processes import send
from iris.worker.secret_files import read_secrets, write_secrets
from tests.support.eventually import eventually

CANARY = "canary-9b1e"
SHOW = ("sh", "-c", 'test "$KEY" = "$EXPECTED" && echo same; exec sleep 1000')


@pytest.mark.parametrize(
    "value", ["plain", "a b'c\"d$e\\f", "two\nlines\n", "KEY=1", "ä😀", ""]
)
def test_every_value_comes_back_as_it_was(tmp_path, value):
    path = tmp_path / "secrets"

    write_secrets(path, {"KEY": value, "OTHER": "x=y"})

    assert read_secrets(path) == {"KEY": value, "OTHER": "x=y"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_attempt_has_its_secrets_and_nothing_else_of_the_vm_has(vm):
    vm.controller.secrets["a-1"] = {"KEY": CANARY}
    vm.controller.run("a-1", *SHOW, secrets=("KEY",), env={"EXPECTED": CANARY[:]})
    eventually(lambda: vm.controller.output("a-1") == "same\n")
    folder = vm.root / "attempts" / "a-1"

    holders = [p for p in vm.root.rglob("*") if p.is_file() and _holds(p)]

    assert holders == [folder / "secrets"]
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o600
    with vm.controller.lock:
        del vm.controller.wanted["a-1"]
    eventually(lambda: not folder.exists())
    assert CANARY not in vm.log()


def test_an_agent_that_is_killed_while_secrets_are_away_fetches_them_again(vm):
    vm.controller.run("a-1", *SHOW, secrets=("KEY",), env={"EXPECTED": CANARY})
    vm.controller.secrets["a-1"] = {"KEY": CANARY}
    send(eventually(vm.agent), signal.SIGKILL)

    eventually(lambda: vm.controller.output("a-1") == "same\n")


def test_a_secret_that_is_not_there_any_more_is_the_users_failure(vm):
    vm.controller.run("a-1", "true", secrets=("KEY",))

    report = vm.ended("a-1")

    assert (report.state, report.cause) == ("failed", EndCause.NO_SUCH_SECRET)
    assert report.detail == "the cluster has no secret any more"


def _holds(path):
    return CANARY.encode() in path.read_bytes()
