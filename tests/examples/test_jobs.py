"""The examples do what they say, on a cluster of this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.machine import processes_in
from tests.support.terminal import ROOT, Terminal

JOBS = "examples/jobs"


@pytest.fixture
def terminal(tmp_path):
    """A terminal whose cluster is that of the README; nothing of it is left."""
    terminal = Terminal(tmp_path)
    terminal.ok("cluster.start", "--config", "local.yaml")
    yield terminal
    terminal.ok("cleanup", "--no-dry-run")
    eventually(lambda: processes_in(tmp_path) == [])


def test_a_sweep_over_digits_ends_in_a_table_of_sixteen_trainings(terminal):
    run = f"--name digits --tasks 16 --cpu 2 -- python {JOBS}/digits_sweep/train.py"
    terminal.ok("job.run", *run.split())
    terminal.ok("job.wait", "digits")

    table = subprocess.run(
        [sys.executable, f"{JOBS}/digits_sweep/table.py", "digits"],
        cwd=ROOT,
        env=terminal.environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    head, best, *others = table.stdout.splitlines()
    assert head.split() == ["task", "C", "gamma", "accuracy"]
    assert len(others) == 15
    assert float(best.split()[-1]) > 0.99  # as the library's own example has it


def test_a_gang_of_four_jax_processes_trains_one_model_together(terminal):
    run = f"--name jax --tpu v5litepod-16 --follow -- python {JOBS}/jax_gang/train.py"

    lines = terminal.ok("job.run", *run.split()).splitlines()

    trained = [line.split(": ")[1] for line in lines if line.startswith("task ")]
    assert len(trained) == 4
    assert set(trained) == {trained[0]}  # all hold the same weights
    assert trained[0].startswith("4 devices, y = ")


def test_the_demo_ends_with_nothing_left(tmp_path):
    terminal = Terminal(tmp_path)
    environment = terminal.environment | {"TMPDIR": str(tmp_path)}

    ran = subprocess.run(
        ["sh", "examples/demo.sh"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1].startswith("nothing left; the whole took ")
    assert list(Path(tmp_path).glob("iris-demo.*")) == []
    assert processes_in(tmp_path) == []
