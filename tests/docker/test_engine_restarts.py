"""The engine of a VM restarts, as it does when it updates itself."""

from __future__ import annotations

import shutil

import pytest

from iris.domain.jobs import EndCause
from iris.domain.states import AttemptState
from tests.support.container_vm import ContainerVm
from tests.support.eventually import eventually
from tests.support.own_engine import OwnEngine

pytestmark = pytest.mark.docker
UNTIL_TOLD = "echo up; until [ -e told ]; do sleep 0.05; done; echo told"


@pytest.fixture
def own(engine, base, monkeypatch):
    if shutil.which("dockerd") is None:
        pytest.skip("no dockerd on the PATH: the engine is another machine's")
    made = OwnEngine()
    monkeypatch.setenv("DOCKER_HOST", made.address)
    try:
        made.start("--live-restore")
        made.take_image(engine, base.name)
        yield made
    finally:
        made.close()


@pytest.fixture
def own_vm(own, base, tmp_path):
    made = ContainerVm(tmp_path / "vm", own, base.name)
    yield made
    made.close()


def restart(own, *flags: str) -> None:
    own.stop()
    own.start(*flags)


def test_what_runs_outlives_an_engine_that_boots_as_ours_are_told_to(own_vm, own):
    own_vm.controller.run("a-1", "sh", "-c", f"{UNTIL_TOLD}; exit 3")
    own_vm.controller.run("a-2", "sh", "-c", f"{UNTIL_TOLD}; kill -SEGV $$")
    for uid in ("a-1", "a-2"):
        eventually(lambda uid=uid: "up" in own_vm.controller.output(uid))

    restart(own, "--live-restore")
    for uid in ("a-1", "a-2"):
        (own_vm.root / "attempts" / uid / "work/told").touch()
    first, second = own_vm.ended("a-1"), own_vm.ended("a-2")

    assert (first.state, first.exit_code) == (AttemptState.FAILED, 3)
    assert own_vm.controller.output("a-1") == "up\ntold\n"
    # nobody but the program itself ended it, and it is charged with that
    assert (second.state, second.cause) == (AttemptState.FAILED, EndCause.SIGNALLED)


def test_what_an_engine_takes_with_it_is_a_loss(own_vm, own):
    restart(own)
    own_vm.controller.run("a-1", "sh", "-c", UNTIL_TOLD)
    eventually(lambda: "up" in own_vm.controller.output("a-1"))

    restart(own)

    ended = own_vm.ended("a-1")
    assert (ended.state, ended.cause) == (AttemptState.LOST, EndCause.WORKER_LOST)
