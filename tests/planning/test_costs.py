"""What slices cost, and whose it was, from their times alone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris.domain.costs import CostView, Life, Rented, Share, Standing, Work
from iris.domain.prices import LISTED_ON
from iris.domain.resources import Resources
from iris.domain.states import SliceState
from iris.planning.costs import (
    DAY,
    HOUR,
    add_up,
    cut_to,
    day_of,
    key_of,
    sum_by_day,
    upkeep_of,
)
from tests.support.builders import NOW, a_group, a_slice, a_tpu_group

TPU, CPU = a_tpu_group(4), a_group("cpu")
WHOLE_TPU, WHOLE_CPU = TPU.resources.times(4), CPU.resources
ALL = 0.0


def a_rented(name="t", price=10.0, hours=4.0, whole=WHOLE_TPU, **changes) -> Rented:
    """A slice whose VMs came up `hours` ago."""
    up_at = NOW - hours * HOUR
    row = a_slice(TPU, name, booting_at=up_at, ready_at=up_at + 60, **changes)
    return Rented(row, whole, "v5litepod-16", price)


def a_work(start=-2.0, end=None, need=Resources(8, 0, 4), **changes) -> Work:
    """An attempt from `start` to `end`, in hours from now."""
    ordinary = {"job_uid": "j-1", "job": "train", "user": "ann", "slice_name": "t"}
    ended_at = 0.0 if end is None else NOW + end * HOUR
    times = {"began_at": NOW + start * HOUR, "ended_at": ended_at}
    return Work(chips=need.chips, cpus=need.cpus, **ordinary | times | changes)


@dataclass
class Row:
    """One case: what was rented and done, and the sums that come of it."""

    says: str
    rented: Rented
    work: tuple[Work, ...] = ()
    usd: float = 40.0
    idle_usd: float = 40.0
    ann: float = 0.0
    since: float = ALL


ROWS = (
    Row("an idle slice is nobody's", a_rented()),
    Row("a fourth of the chips for half the time", a_rented(), (a_work(),), 40, 35, 5),
    Row(
        "a whole gang holds all of it",
        a_rented(),
        tuple(a_work(-4) for _ in range(4)),
        *(40, 0, 40),
    ),
    Row(
        "what ended earlier has its time alone",
        a_rented(),
        (a_work(-4, -3), a_work(-3, -1)),
        *(40, 32.5, 7.5),
    ),
    Row("booting costs, and is nobody's", a_rented(state=SliceState.BOOTING)),
    Row(
        "one that was never up costs nothing",
        Rented(a_slice(TPU, "t", booting_at=0.0, ready_at=0.0), WHOLE_TPU, "", 10.0),
        *((), 0, 0),
    ),
    Row(
        "it costs until its end is asked for, and so does what runs",
        a_rented(deleting_at=NOW - HOUR, deleted_at=NOW - HOUR / 2),
        (a_work(-2),),
        *(30, 27.5, 2.5),
    ),
    Row("of yesterday nothing counts", a_rented(), (a_work(),), 10, 7.5, 2.5, -1.0),
    Row(
        "chips count where there are some",
        a_rented(),
        (a_work(need=Resources(112, 0, 0)),),
        *(40, 40, 0),
    ),
    Row(
        "CPUs count where there are no chips",
        a_rented(whole=WHOLE_CPU),
        (a_work(need=Resources(2.0)),),
        *(40, 35, 5),
    ),
    Row(
        "work on a slice that is not known of is left out",
        a_rented(),
        (a_work(slice_name="other"),),
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.says)
def test_the_price_of_a_slice_is_shared_out_by_what_was_held(row: Row):
    since = NOW + row.since * HOUR if row.since else ALL

    view = add_up([row.rented], row.work, since, NOW)

    anns = sum(share.usd for share in view.users)
    assert (view.usd, view.idle_usd, anns) == pytest.approx(
        (row.usd, row.idle_usd, row.ann)
    )
    assert view.usd == pytest.approx(view.idle_usd + anns)
    assert sum(each.usd or 0.0 for each in view.slices) == pytest.approx(view.usd)
    assert sum(share.usd for share in view.jobs) == pytest.approx(anns)


WORK = st.lists(
    st.builds(
        lambda start, hours, chips, user: a_work(
            start, min(start + hours, 0.0), Resources(chips * 28, 0, chips), user=user
        ),
        st.floats(-90, -1),
        st.floats(0.01, 60),
        st.sampled_from([0, 1, 4]),
        st.sampled_from(["ann", "bob"]),
    ),
    max_size=6,
)


@given(WORK, WORK, st.sampled_from([0.0, NOW - 40 * HOUR]))
def test_sums_by_day_cost_what_the_work_in_them_did(first, second, deleting_at):
    rented = a_rented(hours=100.0, deleting_at=deleting_at)
    ends = {"t": deleting_at}

    sums = sum_by_day(first, ends.__getitem__)
    sums = sum_by_day((*sums, *second), ends.__getitem__)

    for since in (ALL, day_of(NOW - DAY) * DAY):
        work = add_up([rented], (*first, *second), since, NOW)
        summed = add_up([rented], sums, since, NOW)
        assert summed.idle_usd == pytest.approx(work.idle_usd, abs=1e-6)
        assert _by_user(summed) == {
            user: pytest.approx(cost, abs=1e-6) for user, cost in _by_user(work).items()
        }
    assert len(sums) == len({key_of(each) for each in sums})


def _by_user(view: CostView) -> dict[str, tuple[float, ...]]:
    return {s.user: (s.usd, s.chip_hours, s.cpu_hours) for s in view.users}


def test_an_unknown_price_is_unknown_and_not_nothing():
    rented = [a_rented("t", price=None), a_rented("u", price=10.0)]
    work = (a_work(slice_name="t"), a_work(slice_name="u", user="bob"))

    view = add_up(rented, work, ALL, NOW)

    dear, unknown = view.slices
    assert (dear.usd, unknown.usd, unknown.price_per_hour) == (40.0, None, None)
    assert (view.unpriced_hours, unknown.hours) == (4.0, 4.0)
    assert [(s.user, s.usd, s.unpriced_hours) for s in view.users] == [
        ("bob", 5.0, 0.0),
        ("ann", 0.0, 0.5),
    ]
    assert view.prices_of == LISTED_ON


def test_jobs_of_one_user_add_up_and_the_dearest_comes_first():
    work = (a_work(-1, job="b", job_uid="j-2"), a_work(-2, job="a"), a_work(-2))

    view = add_up([a_rented()], work, ALL, NOW)

    assert [(share.job, share.usd) for share in view.jobs] == [
        ("a", 5.0),
        ("train", 5.0),
        ("b", 2.5),
    ]
    assert view.users == (Share("ann", chip_hours=20, cpu_hours=40, usd=12.5),)


def test_what_is_cut_off_is_counted_and_of_people_one_may_be_seen_alone():
    work = tuple(a_work(job_uid=f"j-{u}", job=u, user=u) for u in ("ann", "bob"))
    rented = [a_rented("t"), a_rented("u")]

    view = add_up(rented, work, ALL, NOW)
    anns, short = cut_to(view, 10, "ann"), cut_to(view, 1)

    assert _seen(anns) == (["ann"], ["ann"], ["t", "u"])
    assert _seen(short) == (["ann", "bob"], ["ann"], ["t"])
    assert (short.jobs_in_all, short.slices_in_all, anns.jobs_in_all) == (2, 2, 1)
    assert short.usd == anns.usd == view.usd


def test_what_stands_costs_while_its_machine_is_there_and_a_kept_disk_always():
    hours = [(-10, -8), (-5, 0)]
    lives = [Life(NOW + a * HOUR, NOW + b * HOUR if b else 0.0) for a, b in hours]
    standing = (
        Standing("VM", "n2", 0.5),
        Standing("state disk", "pd", 0.1, is_kept=True),
        Standing("other", "x", None),
    )

    upkeep = tuple(upkeep_of(standing, lives, ALL, NOW))
    lately = [each.hours for each in upkeep_of(standing, lives, NOW - 6 * HOUR, NOW)]
    view = add_up([a_rented()], (), ALL, NOW, upkeep)

    assert [each.hours for each in upkeep] == pytest.approx([7.0, 10.0, 7.0])
    assert lately == pytest.approx([5.0, 6.0, 5.0])
    assert [each.usd for each in upkeep] == [3.5, 1.0, None]
    assert (view.usd, view.idle_usd, view.upkeep) == (44.5, 40.0, upkeep)
    assert [each.hours for each in upkeep_of(standing, [], ALL, NOW)] == [0.0] * 3


def _seen(view: CostView) -> tuple[list[str], list[str], list[str]]:
    return (
        [share.user for share in view.users],
        [share.job for share in view.jobs],
        [each.name for each in view.slices],
    )
