"""What each start of the command line reads and copies, and how it ends."""

from __future__ import annotations

import copy
import errno
import importlib
import inspect

import pytest

import tasks

NAMESPACE = tasks.namespace
COMMANDS = {name: NAMESPACE[name] for name in sorted(NAMESPACE.task_names)}


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
