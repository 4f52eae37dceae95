"""A store that is killed, or whose disk is full, has lost nothing that it answered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.controller.conftest import Open


def _run_writer(database: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-m", "tests.support.store_writer", str(database), *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_kill_9_loses_nothing_that_was_said_to_be_durable(database, opened: Open):
    writer = _run_writer(database)
    assert writer.stdout is not None
    said = [int(writer.stdout.readline()) for _ in range(50)]
    writer.kill()
    said += [int(line) for line in writer.stdout.read().split()]
    writer.communicate()

    _, restored = opened()

    assert restored.seq >= said[-1]
    assert {job.uid for job in restored.jobs} >= {f"j-{seq}" for seq in said}


def test_a_full_disk_ends_the_process_with_one_line(database, opened: Open):
    writer = _run_writer(database, "2000000")
    out, err = writer.communicate(timeout=60)

    assert writer.returncode == 3
    assert err.startswith(f"the database {database} failed: ")
    assert len(err.splitlines()) == 1
    said = [int(line) for line in out.split()]
    assert len(said) > 10
    _, restored = opened()
    assert {job.uid for job in restored.jobs} >= {f"j-{seq}" for seq in said}
