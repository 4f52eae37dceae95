"""The newest events are in memory, for those who follow them."""

from __future__ import annotations

from iris.controller.kernel import MOST_RECENT
from iris.domain.jobs import JobSpec
from iris.domain.views import Submission
from tests.support.fleet import Fleet


def test_what_memory_holds_is_all_that_happened_since():
    fleet = Fleet()
    before = fleet.state.seq
    first = fleet.submit()
    between = fleet.state.seq
    second = fleet.submit()

    told = fleet.state.recent_events(before)
    later = fleet.state.recent_events(between)

    assert [event.job_uid for event in told] == [first.uid, second.uid]
    assert [event.job_uid for event in later] == [second.uid]
    assert fleet.state.recent_events(fleet.state.seq) == []


def test_memory_says_so_where_it_does_not_reach_back_so_far():
    fleet = Fleet()
    before = fleet.state.seq
    spec = JobSpec(command=("true",), name="many")
    many = [Submission(f"c-{n}", spec) for n in range(MOST_RECENT + 5)]

    fleet.state.submit(many, "ada")

    assert fleet.state.recent_events(before) is None
    assert fleet.state.recent_events(before + 4) is None
    assert len(fleet.state.recent_events(before + 5)) == MOST_RECENT
    assert len(fleet.state.recent_events(fleet.state.seq - 2)) == 2


def test_after_a_restart_memory_begins_where_the_journal_ends():
    fleet = Fleet()
    fleet.submit()
    seq = fleet.state.seq

    fleet.restart()

    assert fleet.state.recent_events(seq - 1) is None
    assert fleet.state.recent_events(seq) == []
