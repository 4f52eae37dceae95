"""The plan of faults: what may be planned, what a lagging list shows."""

from __future__ import annotations

import msgspec
import pytest

from iris.clock import VirtualClock
from iris.emulator.fault_files import load_faults
from iris.emulator.faults import Fault, FaultKind, Faults
from iris.emulator.past import Past
from iris.errors import UsageError


class Thing(msgspec.Struct, frozen=True):
    name: str
    zone: str = "here"
    state: str = "new"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.mark.parametrize(
    ("words", "objection"),
    [
        ({"kind": "small-pages", "zone": "z"}, "`zone` names nothing here"),
        ({"kind": "preemption", "verb": "create"}, "`verb` names nothing here"),
        ({"kind": "unavailable", "worker": 1}, "`worker` names nothing here"),
        ({"kind": "stale-list", "type": "v6e-4"}, "`type` names nothing here"),
        ({"kind": "stockout", "verb": "list"}, "`verb: list` fits none of create"),
        ({"kind": "unavailable", "api": "docker"}, "fits none of compute, tpu"),
        ({"kind": "late-metadata", "api": "metadata"}, "fits none of compute, tpu"),
        ({"kind": "unavailable", "status": 418}, "`status: 418` is none of"),
        ({"kind": "pull-fails", "after": 9, "until": 5}, "is over before `after: 9`"),
        (
            {"kind": "reply-lost", "type": "v6e-4", "verb": "delete"},
            "only a create names a `type`",
        ),
    ],
)
def test_a_fault_that_could_never_strike_is_refused_in_one_line(
    tmp_path, words, objection
):
    file = tmp_path / "odd.yaml"
    file.write_text(f"faults: [{msgspec.json.encode(words).decode()}]")

    with pytest.raises(UsageError) as refused:
        load_faults(file)

    assert refused.value.exit_status == 2
    assert objection in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_nested_without_end_is_refused_in_one_line(tmp_path):
    file = tmp_path / "odd.yaml"
    file.write_text("[" * 3000 + "]" * 3000)

    with pytest.raises(UsageError, match="more than 20 levels deep"):
        load_faults(file)


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_may_be_planned_without_a_further_word(kind):
    assert Fault(kind).kind is kind


def test_a_fault_strikes_at_the_very_moment_that_it_begins(clock):
    faults = Faults(clock)
    faults.inject(Fault(FaultKind.QUOTA, after=0.1))

    early = faults.take(FaultKind.QUOTA)
    clock.advance(0.1)

    assert early is None
    assert faults.take(FaultKind.QUOTA) is not None


def lagging(clock, **words) -> tuple[Faults, Past[Thing]]:
    faults = Faults(clock)
    faults.inject(Fault(FaultKind.STALE_LIST, seconds=3, times=0, **words))
    return faults, Past(clock, [("old", Thing("old"))])


def test_a_lagging_list_lacks_what_is_new_and_shows_what_is_gone(clock):
    faults, past = lagging(clock)
    clock.advance(10)
    past.keep("old", None)
    past.keep("young", Thing("young"))

    at_once = past.listed(faults, "tpu", "here")
    clock.advance(3)

    assert at_once == [Thing("old")]
    assert past.listed(faults, "tpu", "here") == [Thing("young")]


def test_a_lagging_list_shows_the_state_of_before(clock):
    faults, past = lagging(clock)
    past.keep("old", Thing("old", state="taken"))

    assert past.listed(faults, "tpu", "here") == [Thing("old")]
    assert past.listed(Faults(clock), "tpu", "here")[0].state == "taken"


def test_one_zone_lags_behind_in_a_list_of_all(clock):
    faults, past = lagging(clock, zone="there")
    past.keep("a", Thing("a"))
    past.keep("b", Thing("b", zone="there"))

    found = past.listed(faults, "tpu", "-")

    assert found == [Thing("old"), Thing("a")]


def test_the_past_is_forgotten_after_an_hour(clock):
    past = Past(clock, [("old", Thing("old"))])
    past.keep("old", None)

    clock.advance(3700)
    past.keep("young", None)

    assert list(past._kept) == ["young"]
