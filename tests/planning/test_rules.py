"""The table of rules, one line for each way to be unfit."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iris.domain.jobs import Capacity, Constraints
from iris.domain.states import SliceState, WorkerState
from iris.planning import rules
from iris.planning.scheduler import ready_candidates
from tests.support.builders import (
    a_gang_job,
    a_group,
    a_job,
    a_slice,
    a_snapshot,
    a_tpu_group,
    a_worker,
    resources,
)


def the_candidate(group: Any = None, **changes: Any) -> rules.Candidate:
    group = group or a_group()
    home = a_slice(group, "s", state=changes.pop("state", SliceState.READY))
    load = a_worker(home, group, **changes)
    found = ready_candidates(a_snapshot(group, slices=[home], workers=[load]))
    return found[0]


def asking(**constraints: Any) -> Any:
    return a_job(constraints=Constraints(**constraints)).spec


PLAIN = a_job().spec
UNFIT = [
    ("accelerator matches", PLAIN, the_candidate(a_tpu_group(1))),
    ("accelerator matches", asking(accelerator="v5litepod-4"), the_candidate()),
    ("slice size matches", a_gang_job(4, tasks=2).spec, the_candidate(a_tpu_group(4))),
    (
        "slice size matches",
        a_gang_job(4, gang=False).spec,
        the_candidate(a_tpu_group(4)),
    ),
    ("zone matches", asking(zones=("us-east1-c",)), the_candidate()),
    ("region matches", asking(regions=("us-east1",)), the_candidate()),
    ("capacity matches", asking(capacity=Capacity.ON_DEMAND), the_candidate()),
    ("labels match", asking(labels={"disk": "big"}), the_candidate()),
    ("is big enough", a_job(resources=resources(9)).spec, the_candidate()),
    ("is big enough", a_job(resources=resources(1, 33)).spec, the_candidate()),
    ("slice is ready", PLAIN, the_candidate(state=SliceState.BOOTING)),
    ("slice is ready", PLAIN, the_candidate(state=SliceState.DRAINING)),
    ("worker answers", PLAIN, the_candidate(state=SliceState.READY)),
    ("worker is not draining", PLAIN, the_candidate(draining="by ann")),
    ("gang has settled", PLAIN, replace(the_candidate(), is_settling=True)),
    ("place is not kept", PLAIN, replace(the_candidate(), kept_for="big")),
    ("worker is empty", asking(alone=True), the_candidate(free=resources(7, 31))),
    ("cpus are free", PLAIN, the_candidate(free=resources(0.5, 32))),
    ("memory is free", PLAIN, the_candidate(free=resources(8, 0))),
    (
        "chips are free",
        a_gang_job(1).spec,
        the_candidate(a_tpu_group(1), free=resources(112, 192, chips=3)),
    ),
]


@pytest.mark.parametrize(("rule", "spec", "candidate"), UNFIT)
def test_each_rule_objects_in_words(
    rule: str, spec: Any, candidate: rules.Candidate
) -> None:
    if rule == "worker answers":
        candidate = suspect_of(candidate)

    objected = rules.objection(spec, candidate)

    assert objected is not None
    assert objected.rule == rule
    assert len(objected.words) > 10


def suspect_of(candidate: rules.Candidate) -> rules.Candidate:
    load = candidate.load
    assert load is not None
    worker = replace(load.worker, state=WorkerState.SUSPECT)
    return replace(candidate, load=replace(load, worker=worker))


def test_every_rule_has_a_case_that_breaks_it() -> None:
    assert {rule for rule, _, _ in UNFIT} == set(map(rules.rule_name, rules.RULES))


@pytest.mark.parametrize(
    ("spec", "group"),
    [
        (PLAIN, a_group()),
        (asking(zones=("a", "europe-west4-a")), a_group()),
        (asking(regions=("europe-west4",)), a_group()),
        (asking(capacity=Capacity.SPOT), a_group()),
        (asking(labels={"disk": "big"}), a_group(labels={"disk": "big", "x": "y"})),
        (a_gang_job(4).spec, a_tpu_group(4)),
        (a_gang_job(1, gang=False, tasks=7).spec, a_tpu_group(1)),
    ],
)
def test_what_fits_has_no_objection(spec: Any, group: Any) -> None:
    assert rules.objection(spec, the_candidate(group)) is None
    assert rules.objection_of_group(spec, group) is None


def test_a_group_will_do_if_one_of_its_zones_does() -> None:
    group = a_group(zones=("us-east1-c", "europe-west4-b"))

    assert rules.objection_of_group(asking(zones=("europe-west4-b",)), group) is None
    assert rules.objection_of_group(asking(zones=("local",)), group) is not None


@pytest.mark.parametrize(
    ("zone", "region"),
    [("europe-west4-b", "europe-west4"), ("local", "local"), ("on-prem", "on-prem")],
)
def test_the_region_of_a_zone(zone: str, region: str) -> None:
    assert rules.region_of(zone) == region
