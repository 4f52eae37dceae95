"""Whose each process is: by its parents, its session, or the marks that it bears."""

from __future__ import annotations

import os
import subprocess

import pytest

from iris.worker.descendants import (
    Seen,
    fair_memory_of,
    look,
    mark_of,
    memory_of,
    own_children,
    seen_by_psutil,
    sort,
)

ME = os.getpid()


def a_process(pid, parent, session=0, rss_bytes=10):
    return Seen(pid, parent, session, rss_bytes)


def seen_of(*processes):
    return {each.pid: each for each in processes}


@pytest.fixture
def child(tmp_path):
    """A process that bears no mark but its folder."""
    child = subprocess.Popen(["sleep", "1000"], cwd=tmp_path, env={})
    yield child
    child.kill()
    child.wait()


def test_what_psutil_sees_is_what_proc_shows(child):
    ours, theirs = look()[child.pid], seen_by_psutil(child.pid)

    assert (ours.pid, ours.parent) == (theirs.pid, theirs.parent) == (child.pid, ME)
    assert ours.session == theirs.session


def test_a_tree_belongs_to_the_attempt_at_its_root(tmp_path):
    seen = seen_of(
        a_process(10, ME, 10),
        a_process(11, 10, 10),
        a_process(12, 11, 12),  # left the session, not the tree
        a_process(20, ME, 20),
        a_process(30, ME, 30),
        a_process(31, 30, 30),
    )

    found = sort(seen, tmp_path, {10: "a-1", 20: "a-2"}, agent=30)

    assert found.by_uid == {"a-1": {10, 11, 12}, "a-2": {20}}
    assert found.unclaimed == set()


def test_what_left_its_tree_is_told_by_the_session_of_any_below_it(tmp_path):
    seen = seen_of(
        a_process(10, ME, 10),
        a_process(40, ME, 40),
        a_process(41, 40, 10),
    )

    found = sort(seen, tmp_path, {10: "a-1"}, agent=0)

    assert found.by_uid == {"a-1": {10, 40, 41}}


def test_what_bears_no_mark_is_nobodys(tmp_path):
    seen = seen_of(a_process(10, ME, 10), a_process(40, ME, 40))

    assert sort(seen, tmp_path, {10: "a-1"}, agent=0).unclaimed == {40}


def test_a_process_in_an_attempts_folder_is_that_attempts(tmp_path, child):
    assert mark_of(child.pid, tmp_path) == ""

    inside = tmp_path / "attempts" / "a-7"
    inside.mkdir(parents=True)
    with subprocess.Popen(["sleep", "1000"], cwd=inside, env={}) as process:
        assert mark_of(process.pid, tmp_path) == "a-7"
        process.kill()


def test_memory_counts_what_is_shared_once_when_it_matters(child):
    seen = look()
    pids = [child.pid]

    assert 0 < fair_memory_of(pids, seen) <= memory_of(pids, seen)


def test_a_process_that_ended_since_holds_nothing():
    gone = subprocess.Popen(["true"])
    gone.wait()

    seen = seen_of(a_process(gone.pid, ME, rss_bytes=99))

    assert fair_memory_of([gone.pid], seen) == 0


def test_children_are_known(child):
    assert child.pid in own_children()
