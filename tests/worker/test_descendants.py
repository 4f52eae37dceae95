"""Both ways of looking at processes see the same ones."""

from __future__ import annotations

import os

from iris.worker import descendants


def test_looking_through_psutil_sees_what_proc_shows():
    ours = descendants.look()[os.getpid()]
    theirs = descendants._look_through_psutil()[os.getpid()]

    assert (ours.parent, ours.session) == (theirs.parent, theirs.session)
    assert abs(ours.rss_bytes - theirs.rss_bytes) < 50_000_000


def test_memory_is_summed_over_a_root_and_what_descends_from_it():
    seen = {
        1: descendants.Seen(1, 0, 1, 7),
        10: descendants.Seen(10, 1, 10, 100),
        11: descendants.Seen(11, 10, 11, 20),  # left the session, not the tree
        12: descendants.Seen(12, 1, 10, 3),  # left the tree, not the session
    }

    assert descendants.memory_by_root(seen, [10]) == {10: 123}
