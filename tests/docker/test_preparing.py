"""What a container is given and what it leaves: set-ups, secrets, outputs."""

from __future__ import annotations

import hashlib

import pytest

from iris.bundles import unpack
from iris.domain.jobs import EndCause
from iris.domain.states import AttemptState
from tests.support.eventually import eventually

pytestmark = pytest.mark.docker


@pytest.fixture
def someones_image(engine, base):
    """An image whose programs run as a user that it names."""
    name, line = "iris-someones:1", "someone:x:4321:4321::/:/bin/sh"
    add = ("sh", "-c", f"echo {line} >>/etc/passwd")
    engine.try_("run", "--name", "iris-someone", base.name, *add)
    engine.try_("commit", "--change", "USER someone", "iris-someone", name)
    engine.try_("rm", "iris-someone")
    yield name
    engine.try_("image", "rm", name)


def test_a_set_up_makes_what_later_containers_find(vm):
    tool = 'printf "#!/bin/sh\\necho made, $PHASE\\n" >"$IRIS_SETUP_DIR/bin/tool"'
    make = 'mkdir "$IRIS_SETUP_DIR/bin"; PHASE=$IRIS_PHASE'
    line = f'{make}; {tool}; chmod +x "$IRIS_SETUP_DIR"/bin/*'
    for uid in ("a-1", "a-2"):
        vm.controller.run(uid, "tool", setup=line)
        assert vm.ended(uid).state is AttemptState.SUCCEEDED, vm.controller.output(uid)

    assert vm.controller.output("a-1").count("iris: set-up") == 2
    assert vm.controller.output("a-2") == "made, setup\n"
    eventually(lambda: vm.containers() == [])


def test_a_set_up_that_hangs_in_its_container_is_the_users_failure(vm):
    vm.controller.run("a-1", "true", setup="sleep 4323", setup_timeout=1.0)

    report = vm.ended("a-1")

    assert (report.cause, report.detail) == (
        EndCause.SETUP_FAILED,
        "it took longer than 1 s",
    )
    eventually(lambda: vm.containers() == [])


def test_secrets_are_variables_that_the_engine_does_not_know(vm):
    canary = "canary '\"$x\nof two lines"
    vm.controller.secrets["a-1"] = {"KEY": canary}
    told = ("sh", "-c", 'printf %s "$KEY" | md5sum; exec sleep 1000')
    vm.controller.run("a-1", *told, secrets=("KEY",))
    digest = hashlib.md5(canary.encode()).hexdigest()
    eventually(lambda: digest in vm.controller.output("a-1"))

    inspected = vm.inspect("a-1", "{{json .}}")

    assert "IRIS_ATTEMPT_UID" in inspected
    assert "canary" not in inspected
    with vm.controller.lock:
        del vm.controller.wanted["a-1"]
    eventually(lambda: vm.containers() == [])


def test_an_image_that_runs_as_a_user_of_its_own_owns_its_secrets(vm, someones_image):
    vm.controller.secrets["a-1"] = {"KEY": "seven"}
    told = ("sh", "-c", 'echo "$(id -un): ${#KEY} letters"; exec sleep 1000')
    vm.controller.run("a-1", *told, secrets=("KEY",), image=someones_image)
    eventually(lambda: "someone: 5 letters\n" in vm.controller.output("a-1"))

    found = (vm.root / "attempts" / "a-1" / "secrets").stat()

    assert (found.st_mode & 0o777, found.st_uid) == (0o600, 4321)
    with vm.controller.lock:
        del vm.controller.wanted["a-1"]
    eventually(lambda: vm.containers() == [])


def test_what_an_image_of_any_user_leaves_is_collected(vm, someones_image, tmp_path):
    leaves = 'id -u >"$IRIS_OUTPUT_DIR/user"; chmod 600 "$IRIS_OUTPUT_DIR/user"'
    for uid, image in (("a-1", ""), ("a-2", someones_image)):
        vm.controller.run(uid, "sh", "-c", leaves, image=image)
        assert vm.ended(uid).state is AttemptState.SUCCEEDED, vm.controller.output(uid)
        packed = tmp_path / uid
        packed.write_bytes(vm.controller.outputs[uid])
        unpack(packed, tmp_path / f"{uid}-left")

    found = [(tmp_path / f"{uid}-left/user").read_text() for uid in ("a-1", "a-2")]
    assert found == ["0\n", "4321\n"]
