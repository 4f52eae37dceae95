"""The examples do what they say, on a cluster of this machine."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
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


def test_a_training_that_is_preempted_twice_ends_with_the_same_weights(terminal):
    start_training(terminal, "calm")
    terminal.ok("job.wait", "calm", "--wait-timeout", "60s")
    start_training(terminal, "cut")
    for losses in (0, 1):
        eventually(lambda seen=losses: has_trained_since(terminal, seen), 60.0)
        take_the_slice_away(terminal)
    terminal.ok("job.wait", "cut", "--wait-timeout", "90s")

    cut = terminal.ok("job.logs", "cut").splitlines()
    assert len([line for line in cut if "goes on at epoch" in line]) == 2
    calm = terminal.ok("job.logs", "calm").splitlines()
    assert "of the digits are read right, weights " in calm[-1]
    assert cut[-1] == calm[-1]


def start_training(terminal: Terminal, name: str) -> None:
    """Some seconds of work: longer than two looks at its log take."""
    folder = terminal.folder / "checkpoints" / name
    words = ("job.run", "--name", name, "--checkpoint-dir", str(folder))
    env = ("--env", "OPENBLAS_NUM_THREADS=1", "--env", "EPOCHS=4000")
    script = f"{JOBS}/resumable_training/train.py"
    terminal.ok(*words, *env, "--", "python", script)


def has_trained_since(terminal: Terminal, losses: int) -> bool:
    """Is there an epoch that was trained after so many losses?"""
    lines = terminal.ok("job.logs", "cut").splitlines()
    resumed = [n for n, line in enumerate(lines) if "goes on at epoch" in line]
    if len(resumed) < losses:
        return False
    rest = lines[resumed[-1] :] if resumed else lines
    return any("epoch " in line and "goes on" not in line for line in rest)


def take_the_slice_away(terminal: Terminal) -> None:
    """As a cloud does: machines go without a word, and all that runs on them."""
    gone = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            if "iris.worker" in words and str(terminal.folder) in " ".join(words):
                gone += [process, *process.children(recursive=True)]
    for process in gone:
        with suppress(psutil.Error):
            process.kill()


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
