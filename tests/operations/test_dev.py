from __future__ import annotations

import configparser
import sys
from pathlib import Path

import pytest

from iris.errors import UsageError
from iris.operations import dev

ROOT = Path(__file__).parents[2]


def test_a_check_that_passes_says_so_and_how_long_it_took():
    checked = dev.run_check(ROOT, dev.Check("words", ("python", "-c", "print('ok')")))

    assert (checked.name, checked.ok, checked.output) == ("words", True, "ok\n")
    assert checked.seconds > 0


def test_a_check_that_falls_short_keeps_what_it_said_on_both_streams():
    words = "import sys; print('seen', file=sys.stderr); sys.exit(3)"

    checked = dev.run_check(ROOT, dev.Check("words", ("python", "-c", words)))

    assert (checked.ok, checked.output) == (False, "seen\n")


def test_a_program_that_is_not_installed_names_the_extras():
    with pytest.raises(UsageError) as raised:
        dev.run_check(ROOT, dev.Check("words", ("no-such-program",)))

    assert str(Path(sys.executable).parent) in raised.value.message
    assert "[test,check]" in raised.value.hint


def test_badly_formed_code_does_not_pass_the_checks(tmp_path):
    (tmp_path / "bad.py").write_text("import os\ndef f( a ):\n  return a\n")
    checks = {check.name: check for check in dev.CHECKS}

    assert not dev.run_check(tmp_path, checks["format"]).ok
    assert not dev.run_check(tmp_path, checks["lint"]).ok


def test_a_shell_script_with_a_fault_does_not_pass(tmp_path):
    script = tmp_path / "bootstrap" / "worker.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\nrm -r $folder/$name\n")
    checks = {check.name: check for check in dev.CHECKS}

    assert dev.shell_files(tmp_path) == ("bootstrap/worker.sh",)
    assert not dev.run_check(tmp_path, checks["shell"]).ok


def test_the_checkout_is_where_the_settings_are():
    settings = configparser.ConfigParser()
    settings.read(dev.checkout() / "setup.cfg")

    assert settings["metadata"]["name"] == "iris"
