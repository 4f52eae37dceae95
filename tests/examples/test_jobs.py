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
EVERY = 50  # epochs between two checkpoints of the training


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

    eventually(lambda: "is kept" in output_of(terminal, "cut"), 60.0)
    give_notice(terminal)
    eventually(lambda: "goes on at" in output_of(terminal, "cut"), 60.0)
    eventually(
        lambda: "is kept" in output_of(terminal, "cut").split("goes on")[1], 60.0
    )
    take_the_slice_away(terminal)
    terminal.ok("job.wait", "cut", "--wait-timeout", "90s")

    cut = output_of(terminal, "cut").splitlines()
    calm = output_of(terminal, "calm").splitlines()
    assert "of the digits are read right, weights " in calm[-1]
    assert cut[-1] == calm[-1]
    warned, unwarned = [n for n, line in enumerate(cut) if "goes on at epoch" in line]
    kept, said, again = cut[warned - 2 : warned + 1]
    assert "asked to end by " in said
    assert kept.endswith(" at the signal")
    assert epoch_of(again) == epoch_of(kept)  # that one was used
    assert "its VM was told to stop" in again
    assert epoch_of(cut[unwarned]) % EVERY == 0


def start_training(terminal: Terminal, name: str) -> None:
    """Some seconds of work: longer than two looks at its log take."""
    folder = terminal.folder / "checkpoints" / name
    words = ("job.run", "--name", name, "--checkpoint-dir", str(folder))
    env = ("OPENBLAS_NUM_THREADS=1", "EPOCHS=4000", f"EVERY={EVERY}")
    script = f"{JOBS}/resumable_training/train.py"
    given = [word for each in env for word in ("--env", each)]
    terminal.ok(*words, *given, "--", "python", script)


def output_of(terminal: Terminal, name: str) -> str:
    return terminal.ok("job.logs", name)


def epoch_of(line: str) -> int:
    """The first number that follows `epoch`."""
    return int(line.split("epoch ")[1].split()[0].rstrip(":"))


def keepers_of(terminal: Terminal) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            if "iris.worker" in words and str(terminal.folder) in " ".join(words):
                found.append(process)
    return found


def give_notice(terminal: Terminal) -> None:
    """As a machine that shuts down does: it asks, and waits a while."""
    for keeper in keepers_of(terminal):
        keeper.terminate()


def take_the_slice_away(terminal: Terminal) -> None:
    """As a cloud does: machines go without a word, and all that runs on them."""
    keepers = keepers_of(terminal)
    for process in [c for k in keepers for c in (k, *k.children(recursive=True))]:
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
