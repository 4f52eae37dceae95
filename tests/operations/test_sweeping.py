from __future__ import annotations

from iris.errors import NotPermitted, RateLimited, Unavailable, Unknown
from iris.operations.sweeping import Sweep
from tests.support.sky import HastyClock, Sky, View, a_leftover

CONTROLLER = a_leftover("controller", "proof-controller")
QUEUED = a_leftover("queued-resource", "proof-q")
SLICE = a_leftover("slice", "proof-a")
FAR = a_leftover("slice", "proof-far", zone="us-central1-a")
DISK = a_leftover("disk", "proof-state")


def a_sweep(sky, clock=None):
    said = []
    return Sweep(View(sky, "c-1"), clock or HastyClock(), said.append), said


def test_kinds_go_in_the_order_that_leaves_nothing_behind():
    sky = Sky(DISK, SLICE, QUEUED, CONTROLLER)
    sweep, said = a_sweep(sky)

    left = sweep.until_clean(0.0)

    assert left.is_nothing
    assert sweep.deleted == [CONTROLLER, QUEUED, SLICE, DISK]
    assert len(said) == 4


def test_passing_faults_are_tried_again():
    sky = Sky(CONTROLLER, SLICE)
    sky.faults = [Unavailable("503"), RateLimited("slower"), Unknown("what?")]
    sweep, said = a_sweep(sky)

    assert sweep.until_clean(60.0).is_nothing
    assert "trying again: controller proof-controller: 503" in said


def test_a_refusal_for_good_is_not_tried_again():
    sky = Sky(CONTROLLER)
    sky.faults = [NotPermitted("you may not")]
    clock = HastyClock()
    began = clock.now()
    sweep, _ = a_sweep(sky, clock)

    left = sweep.until_clean(600.0)

    assert left.faults == ("controller proof-controller: you may not",)
    assert clock.now() == began


def test_what_does_not_go_in_time_is_left():
    sky = Sky(SLICE, DISK, refuses=("proof-a",))
    sweep, _ = a_sweep(sky)

    left = sweep.until_clean(60.0)

    # the disk carries the uid by which the slice is found again
    assert left.leftovers == (SLICE, DISK)
    assert left.faults == ("slice proof-a: proof-a does not go",)


def test_a_queued_request_that_does_not_go_keeps_no_slice_alive():
    sky = Sky(QUEUED, SLICE, refuses=("proof-q",))
    sweep, _ = a_sweep(sky)

    assert sweep.until_clean(0.0).leftovers == (QUEUED,)


def test_a_zone_that_does_not_answer_keeps_no_other_zone_alive():
    sky = Sky(CONTROLLER, SLICE, FAR, DISK)
    sky.closed = {"us-central1-a": "the backend is over capacity"}
    sweep, _ = a_sweep(sky)

    left = sweep.until_clean(0.0)

    assert not left.is_nothing
    assert "us-central1-a: the backend is over capacity" in left.unlisted
    assert sky.left == [FAR, DISK]


def test_nothing_goes_while_the_controller_may_be_where_nobody_answers():
    sky = Sky(CONTROLLER, FAR)
    sky.closed = {"europe-west4-b": "the backend is over capacity"}
    sweep, _ = a_sweep(sky)

    assert not sweep.until_clean(0.0).is_nothing
    assert sky.left == [CONTROLLER, FAR]


def test_a_slice_that_the_controller_asked_for_last_is_seen_before_it_is_clean():
    """Clouds answer stale lists: what was just created may be missing."""
    clock = HastyClock()
    late = a_leftover("slice", "proof-late")

    class StaleSky(Sky):
        def __init__(self):
            super().__init__(CONTROLLER)
            self.shown_from = clock.now() + 8.0
            self.lag = 10.0

        def load(self, *_):
            return View(self, "c-1")

    class StaleView(View):
        def list_leftovers(self):
            found = super().list_leftovers()
            is_shown = clock.now() >= self.sky.shown_from
            return found if is_shown else tuple(e for e in found if e != late)

    sky = StaleSky()
    sky.left.append(late)
    sweep = Sweep(StaleView(sky, "c-1"), clock, [].append)

    assert sweep.until_clean(60.0).is_nothing
    assert sky.left == []


def test_what_appears_in_the_last_look_is_swept_too():
    sky = Sky(CONTROLLER)
    sky.on_delete = lambda gone: sky.left.append(SLICE) if gone is DISK else None
    sky.left.append(DISK)
    sweep, _ = a_sweep(sky)

    assert sweep.until_clean(60.0).is_nothing
    assert sweep.deleted == [CONTROLLER, DISK, SLICE]
