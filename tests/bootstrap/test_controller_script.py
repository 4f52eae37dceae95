"""bootstrap/controller.sh, run by bash on a machine that is a folder."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iris.bootstrapping import config_attributes
from tests.support.script_machine import Machine, controller

SCRIPT = "controller.sh"
MOST_OF_AN_ATTRIBUTE = 256 * 1024
PHASES = (
    *("boot started", "config written", "state disk mounted", "docker ready"),
    *("image pulled", "container started", "controller healthy"),
)


def phases(said: str) -> list[str]:
    return [x.removeprefix("iris-phase: ") for x in said.splitlines() if "phase" in x]


def test_a_controllers_machine_boots_phase_by_phase(machine: Machine):
    said = controller(machine).run(SCRIPT)

    assert phases(said) == [*PHASES]
    assert machine.read("etc/iris/config.yaml") == b"name: eu\n"
    assert json.loads(machine.read("var/lib/iris/machine/machine.json")) == {
        "cluster_uid": "c1"
    }
    mode = (machine.root / "etc/iris/config.yaml").stat().st_mode
    assert mode & 0o777 == 0o600


# What the machine is told

PIECES = (
    *("a", "\r\n", "\n", "'", '"', "$HOME", "$(id)", "`id`", "\\", "EOF\n"),
    *("<<'IRIS'\n", "é", "🙂", "%s", "\t", "!", "\x7f"),
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(parts=st.lists(st.sampled_from(PIECES)))
def test_any_text_arrives_as_it_was(machine: Machine, parts: list[str]):
    text = "".join(parts)

    controller(machine, text).run(SCRIPT)

    assert machine.read("etc/iris/config.yaml") == text.encode()


@pytest.mark.parametrize("last_letter", [0x7F, 0x17F, 0x7FF, 0xD7FF])
def test_the_largest_file_of_the_worst_text_arrives(machine: Machine, last_letter: int):
    chance, letters, size = random.Random(7), [], 0
    while size < 200 * 1024 - 4:
        letters.append(chr(chance.randrange(1, last_letter + 1)))
        size += len(letters[-1].encode())
    text = "".join(letters)

    said = controller(machine, text).run(SCRIPT)

    attributes = config_attributes(text)
    assert max(map(len, attributes.values())) <= MOST_OF_AN_ATTRIBUTE
    assert "controller healthy" in said
    assert machine.read("etc/iris/config.yaml") == text.encode()


def test_a_text_of_letters_that_hardly_repeat_needs_a_second_attribute():
    chance = random.Random(7)
    letters = [*map(chr, range(128))] * 60 + [*map(chr, range(128, 2048))]

    text = "".join(chance.choices(letters, k=170_000))

    assert "iris-config-rest" in config_attributes(text)


@pytest.mark.parametrize("name", ["iris-config", "iris-image", "ssh-keys", "ip"])
def test_a_metadata_server_that_is_away_for_a_while_costs_time_alone(
    machine: Machine, name: str
):
    controller(machine).unavailable[name] = 7

    assert phases(machine.run(SCRIPT)) == [*PHASES]


def test_a_metadata_server_that_never_comes_ends_the_boot(machine: Machine):
    controller(machine).unavailable["iris-uid"] = 9999

    said = machine.run(SCRIPT)

    assert phases(said)[1:] == ["failed because the metadata server does not answer"]


@pytest.mark.parametrize("value", [None, "", " \n"])
def test_what_is_missing_is_named(machine: Machine, value: str | None):
    controller(machine)
    del machine.attributes["iris-image"]
    if value is not None:
        machine.attributes["iris-image"] = value

    said = machine.run(SCRIPT)

    assert "failed because this VM was not told its iris-image" in said


# The state disk


def test_a_blank_disk_is_formatted_once(machine: Machine):
    controller(machine).run(SCRIPT)
    (machine.root / "mounted").unlink()  # the VM boots again

    said = machine.run(SCRIPT)

    assert phases(said) == [*PHASES]
    assert (machine.ran("mkfs.ext4"), machine.ran("mount")) == (1, 2)


def test_a_disk_that_is_mounted_already_is_left_as_it_is(machine: Machine):
    (machine.root / "mounted").touch()

    said = controller(machine).run(SCRIPT)

    assert phases(said) == [*PHASES]
    assert (machine.ran("mkfs.ext4"), machine.ran("mount")) == (0, 0)


def test_a_disk_of_which_nobody_knows_what_is_on_it_is_not_formatted(machine: Machine):
    said = controller(machine).run(SCRIPT, BLKID="8", FAILING="mount")

    assert machine.ran("mkfs.ext4") == 0
    assert "failed because the state disk cannot be mounted: mount: no" in said


def test_a_disk_with_something_unknown_on_it_is_not_formatted(machine: Machine):
    machine.disk.write_bytes(bytes(512) + b"a database without a file system")

    said = controller(machine).run(SCRIPT)

    assert machine.ran("mkfs.ext4") == 0
    assert "has something on it that is no file system" in said


def test_a_disk_that_comes_late_is_waited_for(machine: Machine):
    machine.disk.unlink()

    said = controller(machine).run(SCRIPT, ON_SLEEP=f"touch {machine.disk}")

    assert phases(said) == [*PHASES]


def test_a_disk_that_never_comes_ends_the_boot(machine: Machine):
    machine.disk.unlink()

    said = controller(machine).run(SCRIPT)

    assert phases(said)[-1] == "failed because the state disk is not attached"


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        ("mkfs.ext4", "the state disk cannot be formatted"),
        ("mount", "the state disk cannot be mounted"),
        ("sync", "the state disk cannot be written"),
        ("docker run", "the controller's container does not start"),
    ],
)
def test_a_step_that_fails_ends_the_boot_in_its_own_words(
    machine: Machine, failing: str, reason: str
):
    said = controller(machine).run(SCRIPT, FAILING=failing)

    assert phases(said)[-1].startswith(f"failed because {reason}: {failing}: no")


def test_a_disk_that_is_read_only_ends_the_boot_though_it_is_ours(machine: Machine):
    controller(machine).run(SCRIPT)
    machine.add_program("touch", "echo 'Read-only file system' >&2; exit 1")

    said = machine.run(SCRIPT)

    reason = "the state disk cannot be written: Read-only file system"
    assert phases(said)[-1] == f"failed because {reason}"


def test_the_state_disk_of_another_cluster_is_not_written_on(machine: Machine):
    machine.state.mkdir(parents=True)
    (machine.state / "iris-uid").write_text("c-of-others")

    said = controller(machine).run(SCRIPT)

    assert "failed because the state disk is of cluster uid c-of-others" in said
    assert "docker ready" not in said
    assert (machine.state / "iris-uid").read_text() == "c-of-others"


def test_a_disk_with_files_of_somebody_else_is_not_written_on(machine: Machine):
    (machine.state / "lost+found").mkdir(parents=True)
    (machine.state / "thesis.tex").touch()

    said = controller(machine).run(SCRIPT)

    assert "the state disk has files of somebody else: thesis.tex" in said
    assert not (machine.state / "iris-uid").exists()


@pytest.mark.parametrize(
    "step", ["mkfs.ext4", "mount", "sync", "docker pull", "docker run", "docker rm"]
)
def test_a_boot_that_was_cut_is_made_good_by_the_next(machine: Machine, step: str):
    cut = controller(machine).run(SCRIPT, KILLED_AT=step)

    said = machine.run(SCRIPT)

    assert "controller healthy" not in cut
    assert phases(said) == [*PHASES]
    assert (machine.state / "iris-uid").read_text() == "c1"


# The container


def test_a_controller_that_ends_again_and_again_ends_the_boot_with_its_last_lines(
    machine: Machine,
):
    machine.health = ""
    (machine.root / "restarts").write_text("5\n")
    lines = "Traceback\nBadClusterFile: name: expected letters\n\n"
    (machine.root / "container.log").write_text(lines)

    said = controller(machine).run(SCRIPT)

    assert "iris-controller: Traceback" in said
    reason = "the controller does not answer: BadClusterFile: name: expected letters"
    assert f"iris-phase: failed because {reason}" in said


def test_a_controller_that_never_answers_ends_the_boot(machine: Machine):
    machine.health = '{"cluster_uid":"c-of-others"}'
    (machine.root / "restarts").write_text("0\n")
    (machine.root / "container.log").write_text("still restoring\n")

    said = controller(machine).run(SCRIPT)

    assert "failed because the controller does not answer: still restoring" in said


def test_the_state_is_used_only_where_its_disk_is_mounted(machine: Machine):
    controller(machine).run(SCRIPT)

    (run,) = [line for line in machine.said() if line.startswith("docker run")]
    assert "'--marked'" in run
    assert "'--log-opt' 'max-size=20m'" in run
