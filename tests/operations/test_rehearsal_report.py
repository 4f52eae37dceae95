"""A rehearsal's report: what it says of promises, faults, costs and time."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from iris.client.admin import Resource, Strike
from iris.domain.events import Event
from iris.domain.fleet import BootPhase
from iris.domain.jobs import JobSpec
from iris.domain.states import JobState, TaskState
from iris.domain.views import JobView, TaskView
from iris.operations.rehearsal_page import page_of
from iris.operations.rehearsal_report import (
    Facts,
    Price,
    Run,
    doubled_runs,
    key_of,
    report_of,
)

SLICE = "iris-eu-tpu-a1b2c3"


def a_job(state=JobState.SUCCEEDED):
    return JobView(
        uid="j-1",
        name="stays",
        user="operator",
        state=state,
        submitted_at=1002.0,
        ended_at=1020.0,
        counts={},
        because="" if state is JobState.SUCCEEDED else "exit code 3",
        spec=JobSpec(("true",)),
    )


def a_task(**changes):
    task = TaskView("stays", 0, TaskState.SUCCEEDED, 2, 0, 1, "")
    return replace(task, **changes)


def a_slice(**changes):
    made = Resource(
        kind="slice",
        name=SLICE,
        zone="europe-west4-b",
        type="v5litepod-16",
        capacity="spot",
        labels={"iris-slice": "s-1"},
        created_at=1003.0,
        deleted_at=1010.0,
        billed_seconds=3.6,
    )
    return replace(made, **changes)


def a_run(uid="a-1", began=1005.0, last=1008.0, *, ended=False, pid=7):
    return Run("stays", 0, uid, pid, began, last, ended)


def some_facts(**changes):
    facts = Facts(
        cluster="iris-eu",
        config_path="eu-west4.yaml",
        seed=4,
        began=1000.0,
        ended=1030.0,
        resources=(a_slice(),),
        strikes=(Strike(1008.0, "preemption", SLICE),),
        events=(
            Event(1, 1003.0, "slice requested", "1 wanted", slice_name=SLICE),
            Event(2, 1004.0, "slice booting", slice_name=SLICE),
            Event(3, 1005.0, "slice ready", slice_name=SLICE),
            Event(4, 1008.5, "slice preempted", slice_name=SLICE),
            Event(5, 1012.0, "slice ready", slice_name="iris-eu-tpu-d4e5f6"),
            Event(6, 1012.5, "attempt running", job="stays"),
        ),
        phases=(
            BootPhase(SLICE, 1, "pull", 1004.2),
            BootPhase(SLICE, 1, "agent", 1004.7, "<soon>"),
        ),
        jobs=(a_job(),),
        tasks=(a_task(),),
        runs=(a_run(), a_run("a-2", 1012.6, 1019.0, ended=True)),
        prices={key_of(a_slice()): Price(8.0, "a list of 2026-08-11")},
    )
    return replace(facts, **changes)


def broken(facts):
    return {p.name: p.words for p in report_of(facts).promises if not p.is_kept}


def test_a_life_without_a_fault_keeps_every_promise():
    report = report_of(some_facts())

    assert report.is_kept
    assert report.seconds == 30.0


def test_an_injected_loss_is_told_with_what_followed_and_how_soon():
    (injected,) = report_of(some_facts()).injected

    assert (injected.at, injected.kind) == (8.0, "preemption")
    assert injected.taken == (
        f"slice preempted {SLICE} after 0.5 s, "
        "slice ready iris-eu-tpu-d4e5f6 after 4.0 s, "
        "attempt running stays after 4.5 s"
    )


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"jobs": (a_job(JobState.FAILED),)}, "jobs succeeded", "exit code 3"),
        ({"jobs": ()}, "jobs succeeded", "none was accepted"),
        ({"tasks": (a_task(failures=1),)}, "no loss was charged to a user", "stays/0"),
        ({"tasks": (a_task(losses=0),)}, "work survived a loss", "no work"),
        ({"resources": (a_slice(deleted_at=0.0),)}, "nothing is left", SLICE),
        ({"resources": (a_slice(creates=2),)}, "nothing was created twice", "2 times"),
        (
            {"resources": (a_slice(), a_slice(name="other"))},
            "nothing was created twice",
            "2 of slice s-1",
        ),
        (
            {"runs": (a_run(), a_run("a-2", began=1007.0))},
            "no run was doubled",
            "two runs of stays/0 at once",
        ),
        ({"troubles": ("Late: x",)}, "every step came to its end", "Late: x"),
    ],
)
def test_each_promise_that_breaks_is_named_with_its_proof(changes, name, words):
    faults = broken(some_facts(**changes))

    assert list(faults) == [name]
    assert words in faults[name]


def test_an_attempt_that_ran_twice_and_a_run_after_the_end_are_doubles():
    again = (a_run("a-1"), a_run("a-1", began=1009.0, pid=8))
    after = (a_run(ended=True), a_run("a-2", began=1009.0))

    assert doubled_runs(again) == ["attempt a-1 ran twice"]
    assert doubled_runs(after) == ["stays/0 ran again after its end"]
    assert doubled_runs((a_run(), a_run("a-2", began=1008.0))) == []


def test_the_timeline_has_every_state_of_a_slice_and_every_phase_of_its_vms():
    tracks = {(t.kind, t.name): t.spans for t in report_of(some_facts()).tracks}

    states = [(s.what, s.began, s.ended) for s in tracks["slice", SLICE]]
    phases = [(s.what, s.began, s.ended) for s in tracks["VM", f"{SLICE}/1"]]
    runs = [(s.what, s.began, s.ended) for s in tracks["task", "stays/0"]]
    assert states == [
        ("requested", 3.0, 4.0),
        ("booting", 4.0, 5.0),
        ("ready", 5.0, 8.5),
        ("preempted", 8.5, 30.0),
    ]
    assert phases == [("pull", 4.2, 4.7), ("agent", 4.7, 10.0)]
    assert runs == [("lost", 5.0, 8.0), ("ran", 12.6, 19.0)]


def test_what_it_would_have_cost_follows_from_the_billed_seconds():
    report = report_of(some_facts())

    assert report.costs[0].usd == pytest.approx(0.008)
    assert report.usd == pytest.approx(0.008)
    assert report.prices_said == "a list of 2026-08-11"


def test_a_resource_without_a_known_price_costs_an_unknown_sum():
    report = report_of(some_facts(prices={}))

    assert report.costs[0].usd is None
    assert report.prices_said == "no price is known"


def test_the_page_needs_nothing_beside_itself_and_escapes_all_words():
    page = page_of(report_of(some_facts()))

    assert "://" not in page
    assert "prefers-color-scheme: dark" in page
    assert "&lt;soon&gt;" in page
    assert "<soon>" not in page
    assert page.count('class="track"') == 4


def test_the_report_is_json():
    encoded = msgspec.json.encode(report_of(some_facts()))

    assert msgspec.json.decode(encoded)["is_kept"] is True
