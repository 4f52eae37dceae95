"""How the first process of an attempt is started."""

from __future__ import annotations

from iris.domain.states import AttemptState


def test_a_command_is_looked_up_where_its_own_path_says(vm):
    folder = vm.root / "mine"
    folder.mkdir()
    (folder / "plain").write_text("echo never")
    (folder / "hello").write_text("#!/bin/sh\necho hello")
    (folder / "hello").chmod(0o755)
    env = {"PATH": f"/nowhere:{folder}:/usr/bin:/bin"}

    vm.controller.run("a-1", "hello", env=env)
    vm.controller.run("a-2", "plain", env=env)

    assert vm.ended("a-1").state is AttemptState.SUCCEEDED
    assert vm.controller.output("a-1") == "hello\n"
    assert vm.ended("a-2").exit_code == 126
    assert "Permission denied" in vm.controller.output("a-2")


def test_an_attempt_has_no_file_of_its_keeper(vm):
    vm.controller.run("a-1", "sh", "-c", "ls -l /proc/$$/fd; pwd")

    vm.ended("a-1")

    *files, work = vm.controller.output("a-1").splitlines()
    named = [line.rpartition(" -> ")[2] for line in files if " -> " in line]
    assert set(named) == {"/dev/null", f"{vm.root}/attempts/a-1/output"}
    assert work == f"{vm.root}/attempts/a-1/work"
