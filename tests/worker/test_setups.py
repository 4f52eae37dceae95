"""Set-ups: once per VM, seen in the log, the user's where they fail."""

from __future__ import annotations

import signal

import pytest

from iris.bundles import pack
from iris.domain.jobs import EndCause
from iris.processes import send
from tests.support.eventually import eventually

COUNTED = 'echo ran >>"$IRIS_VM/count"; mkdir -p "$IRIS_SETUP_DIR/bin"; '
TOOL = (
    COUNTED
    + 'printf "#!/bin/sh\\necho made by set-up\\n" >"$IRIS_SETUP_DIR/bin/tool"; '
    'chmod +x "$IRIS_SETUP_DIR/bin/tool"; echo installing'
)


def runs(vm):
    file = vm.root / "count"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_a_set_up_runs_once_and_its_programs_are_found(vm):
    vm.controller.run("a-1", "sh", "-c", "tool; tool", setup=TOOL)
    vm.ended("a-1")
    vm.controller.run("a-2", "sh", "-c", "tool", setup=TOOL)
    vm.ended("a-2")

    said = vm.controller.output("a-1").splitlines()
    assert said[0].startswith("iris: set-up: echo ran")
    assert said[1] == "installing"
    assert said[2].startswith("iris: set-up done in ")
    assert said[3:] == ["made by set-up"] * 2
    assert vm.controller.output("a-2") == "made by set-up\n"
    assert runs(vm) == 1


def test_attempts_that_come_together_wait_for_one_set_up(vm):
    gate = vm.root / "gate"
    waits = f'{COUNTED} until [ -e "{gate}" ]; do sleep 0.05; done'
    for uid in ("a-1", "a-2", "a-3"):
        vm.controller.run(uid, "true", setup=waits)
    details = ("its set-up runs", "waits for its set-up, which another attempt runs")
    eventually(
        lambda: {vm.controller.detail(f"a-{n}") for n in (1, 2, 3)} == {*details}
    )

    gate.touch()

    assert {vm.ended(f"a-{n}").state for n in (1, 2, 3)} == {"succeeded"}
    assert runs(vm) == 1


def test_another_bundle_or_another_line_is_set_up_anew(vm, tmp_path):
    shas = []
    for text in ("one", "two"):
        (tmp_path / text).mkdir()
        (tmp_path / text / "file").write_text(text)
        with pack(tmp_path / text) as bundle:
            shas.append(vm.controller.keep_bundle(bundle.path.read_bytes()))
    line = f'{COUNTED} cp file "$IRIS_SETUP_DIR/kept"'
    show = ("sh", "-c", 'cat "$IRIS_SETUP_DIR/kept"')
    for number, sha in enumerate((shas[0], shas[1], shas[0])):
        vm.controller.run(f"a-{number}", *show, setup=line, bundle=sha)
        vm.ended(f"a-{number}")

    said = [vm.controller.output(f"a-{n}").splitlines()[-1] for n in range(3)]
    assert said == ["one", "two", "one"]
    assert runs(vm) == 2


def test_a_set_up_that_fails_is_the_users_and_runs_again(vm):
    line = f"{COUNTED} echo no such package >&2; exit 3"
    for uid in ("a-1", "a-2"):
        vm.controller.run(uid, "true", setup=line)
        report = vm.ended(uid)
        assert (report.state, report.cause) == ("failed", EndCause.SETUP_FAILED)
        assert report.detail == "exit status 3"
        assert "no such package\niris: set-up failed" in vm.controller.output(uid)

    assert runs(vm) == 2


def test_a_set_up_that_hangs_is_ended_with_all_that_it_started(vm):
    line = "sleep 4321 & setsid sleep 4321 & sleep 4321"
    vm.controller.run("a-1", "true", setup=line, setup_timeout=1.0)

    report = vm.ended("a-1")

    assert report.cause is EndCause.SETUP_FAILED
    assert report.detail == "it took longer than 1 s"
    assert vm.running("sleep", "4321") == []


def test_a_stop_ends_the_set_up(vm):
    vm.controller.run("a-1", "true", setup="exec sleep 4322")
    eventually(lambda: vm.running("sleep", "4322"))

    vm.controller.want("a-1", "stop")

    assert vm.ended("a-1").state == "cancelled"
    eventually(lambda: vm.running("sleep", "4322") == [])


def test_an_agent_that_is_killed_meanwhile_begins_the_set_up_again(vm):
    gate = vm.root / "gate"
    line = f'{COUNTED} until [ -e "{gate}" ]; do sleep 0.05; done'
    vm.controller.run("a-1", "echo", "went on", setup=line)
    eventually(lambda: runs(vm) == 1)

    send(eventually(vm.agent), signal.SIGKILL)
    eventually(lambda: runs(vm) == 2)
    gate.touch()

    assert vm.ended("a-1").state == "succeeded"
    assert vm.controller.output("a-1").endswith("went on\n")


def test_a_set_up_that_ends_the_agent_again_and_again_is_the_users_failure(vm):
    line = f"{COUNTED} kill -9 $PPID; sleep 3"
    vm.controller.run("a-1", "true", setup=line)

    ended = vm.ended("a-1", within=60.0)

    words = "the worker's agent ended 2 times while it ran"
    assert (ended.state, ended.cause) == ("failed", EndCause.SETUP_FAILED)
    assert words in ended.detail
    assert runs(vm) == 2
    assert f"iris: set-up failed: {words}\n" in vm.controller.output("a-1")


@pytest.mark.parametrize(
    "instead",
    [
        "true",
        'touch "$IRIS_SETUP_DIR"',
        'ln -s "$IRIS_SETUP_DIR" "$IRIS_SETUP_DIR"',
    ],
)
def test_a_set_up_that_removes_its_folder_is_the_users_failure(vm, instead):
    line = f'cd /; rm -rf "$IRIS_SETUP_DIR"; {instead}'
    for uid in ("a-1", "a-2"):  # the second finds what the first one left
        vm.controller.run(uid, "true", setup=line)
        ended = vm.ended(uid)
        assert (ended.state, ended.cause) == ("failed", EndCause.SETUP_FAILED)
        assert "it removed or closed its own folder, IRIS_SETUP_DIR" in ended.detail
        assert "set-up done" not in vm.controller.output(uid)


def test_caches_are_the_vms_unless_the_user_says_otherwise(vm):
    names = "$IRIS_CACHE_DIR $PIP_CACHE_DIR $UV_CACHE_DIR $JAX_COMPILATION_CACHE_DIR"
    env = {"UV_CACHE_DIR": "/mine"}
    vm.controller.run("a-1", "sh", "-c", f"echo {names} $HF_HOME", env=env)

    vm.ended("a-1")

    shared = vm.root / "cache" / "shared"
    said = vm.controller.output("a-1").split()
    caches = [f"{shared}/pip", "/mine", f"{shared}/jax", f"{shared}/huggingface"]
    assert said == [str(shared), *caches]
