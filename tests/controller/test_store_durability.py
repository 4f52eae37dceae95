"""A store that is killed, or whose disk is full, has lost nothing that it answered."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.controller.conftest import Open
from tests.support.eventually import eventually


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


def test_what_comes_while_a_commit_is_written_is_in_it(database, opened: Open):
    store, _ = opened()
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the commit of 1 has begun, and waits for us
        store.append(1, [("meta", ("a",), "v1")], [])
        eventually(lambda: not store._pending.rows)
        store.append(2, [("meta", ("b",), "v2")], [])
        store.append(3, [("meta", ("b",), "v3")], [])
        other.execute("ROLLBACK")
        store.wait_durable(1, 10.0)

    assert store.durable_seq == 3
    _, restored = opened()
    assert (restored.seq, restored.meta) == (3, {"a": "v1", "b": "v3"})
