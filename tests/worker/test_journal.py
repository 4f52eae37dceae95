"""The keeper's journal stays small, and at no moment lacks what runs."""

from __future__ import annotations

import os

import msgspec

from iris.worker.journal import Journal


def lines_of(path):
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


def test_a_long_journal_begins_anew_with_what_still_runs(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path, "boot", most_bytes=2_000)
    journal.starting("a-long", 1.0)
    journal.started("a-long", 1.0, os.getpid())

    for index in range(100):
        journal.starting(f"a-{index}", 2.0)
        journal.started(f"a-{index}", 2.0, os.getpid())
        journal.ended(f"a-{index}", 3.0, 0)

    assert path.stat().st_size < 2_500
    assert lines_of(path)[0]["uid"] == "a-long"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "journal.old").exists()


def test_a_disk_that_is_full_ends_no_keeper():
    journal = Journal("/dev/full")

    journal.started("a-1", 1.0, os.getpid())
    journal.ended("a-1", 2.0, 0)
