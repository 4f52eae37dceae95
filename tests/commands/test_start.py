"""What each start of the command line reads and copies, and how it ends."""

from __future__ import annotations

import copy
import errno
import importlib
import inspect
import os
import subprocess
import sys

import pytest

import tasks

NAMESPACE = tasks.namespace
COMMANDS = {name: NAMESPACE[name] for name in sorted(NAMESPACE.task_names)}


def python(words: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", words, *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


def test_a_probe_is_the_command_that_its_module_describes():
    # probe.py reads no more of the module than it needs; here all of it is imported
    for name, task in COMMANDS.items():
        if not name.startswith("probe."):
            continue
        stem = name.removeprefix("probe.").replace("-", "_")
        module = importlib.import_module(f"iris.probes.{stem}")
        asked = list(inspect.signature(module.ask).parameters.values())[1:]
        flags = {a.name: a for a in task.get_arguments()}
        flags_of_ask = {p.name: p.default for p in asked}

        assert inspect.getdoc(task.body) == inspect.getdoc(module)
        assert ("follow" in flags) == hasattr(module, "follow")
        assert set(flags) == set(flags_of_ask) | (
            {"config", "cluster", "json"} | ({"follow"} & set(flags))
        )
        for parameter, default in flags_of_ask.items():
            if default is inspect.Parameter.empty:
                assert flags[parameter].positional
            else:
                assert flags[parameter].default == default


def test_a_start_copies_no_command_and_a_copied_flag_has_a_value_of_its_own():
    twin = copy.deepcopy(NAMESPACE)
    environment = next(a for a in twin["job.run"].get_arguments() if a.name == "env")
    other = copy.deepcopy(environment)
    other.value = "A=1"

    assert twin["job.run"] is NAMESPACE["job.run"]
    assert (environment.value, other.value) == ([], ["A=1"])


def test_a_broken_disk_is_not_taken_for_a_terminal_that_was_closed():
    from iris.commands._edge import _Edge

    with pytest.raises(OSError, match="Input/output error"), _Edge():
        raise OSError(errno.EIO, "Input/output error", "train.py")


HELP = """
import sys
from iris.__main__ import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def test_the_program_loads_nothing_for_tests_nor_a_parser_that_nothing_needs():
    found = python(HELP, "--help")

    assert found.returncode == 0
    assert "job.run" in found.stdout
    loaded = set(found.stderr.split())
    assert "invoke.program" in loaded
    assert not loaded & {
        "asyncio",
        "invoke.vendor.yaml.reader",
        "requests",
        "ssl",
        "unittest",
        "unittest.mock",
    }


MOCKS = """
from iris.commands._starting import invoke_without_tests
with invoke_without_tests():
    import invoke
from unittest.mock import Mock
context = invoke.MockContext(run=invoke.Result("said"))
assert context.run("anything").stdout == "said"
assert isinstance(context.run, Mock)
from invoke.vendor import yaml
assert yaml.safe_load("a: [1, 2]") == {"a": [1, 2]}
"""


def test_what_comes_late_is_the_real_thing():
    found = python(MOCKS)

    assert (found.returncode, found.stderr) == (0, "")


def test_the_program_reads_a_users_file_of_invokes_as_inv_does(tmp_path):
    (tmp_path / ".invoke.yaml").write_text("tasks: [")
    line = [sys.executable, "-m", "iris", "--list"]
    home = os.environ | {"HOME": str(tmp_path)}
    found = subprocess.run(line, capture_output=True, env=home, timeout=60)

    assert found.returncode != 0
    assert b"while parsing" in found.stderr


INTERRUPTED = """
import os, signal, sys
class Interrupting:
    @staticmethod
    def find_spec(name, path, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting)
from iris.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["invoke", "invoke.program", "iris.commands.job"])
def test_the_program_is_interrupted_quietly_while_it_starts(module):
    found = python(INTERRUPTED, module)

    assert (found.returncode, found.stdout, found.stderr) == (130, "", "")
