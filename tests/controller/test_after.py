"""Jobs that run after others, and what a name that is taken leads to."""

from __future__ import annotations

import pytest

from iris.domain.access import Role
from iris.domain.jobs import After, AfterEnd, SameName
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, JobState
from iris.errors import Conflict
from tests.support.desk import Desk
from tests.support.fleet import CPU, Fleet, ended

ONE_CPU = Resources(cpus=1)
FAILED = AttemptState.FAILED


def test_a_job_begins_once_the_one_before_it_has_succeeded():
    fleet, worker, first, second = _two_in_order()
    before = [p.job.uid for p in fleet.state.snapshot().pending]

    too_early = fleet.place(second, worker)
    (uid,) = fleet.place(first, worker)
    fleet.clock.advance(5)
    fleet.beat(worker, [ended(uid)])

    assert (before, too_early) == ([first.uid], [])
    (pending,) = fleet.state.snapshot().pending
    assert (pending.job.uid, pending.pending_since) == (second.uid, fleet.clock.now())


def test_a_job_never_begins_after_one_that_failed_nor_do_those_behind_it():
    fleet, worker, first, second = _two_in_order()
    third = fleet.submit(name="third", after=(After("second", uid=second.uid),))

    (uid,) = fleet.place(first, worker)
    fleet.beat(worker, [ended(uid, FAILED, 1)])

    ends = [fleet.journal.job(job.uid) for job in (second, third)]
    assert [job.final_state for job in ends] == [JobState.CANCELLED] * 2
    assert ends[0].because == ("job first, after whose success it was to run, failed")


def test_a_job_may_wait_for_any_end():
    fleet, _, first, second = _two_in_order(on=AfterEnd.ANY)

    fleet.state.cancel_job(first.uid, "ada")

    assert [p.job.uid for p in fleet.state.snapshot().pending] == [second.uid]


def test_a_job_waits_for_all_of_those_before_it():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    firsts = [fleet.submit(name=name, resources=ONE_CPU) for name in "ab"]
    fleet.submit(name="c", after=tuple(After(j.name, uid=j.uid) for j in firsts))

    counts = []
    for first in firsts:
        (uid,) = fleet.place(first, worker)
        fleet.beat(worker, [ended(uid)])
        counts.append([p.job.name for p in fleet.state.snapshot().pending])

    assert counts == [["b"], ["c"]]


def test_who_waits_for_whom_survives_a_restart():
    fleet, worker, first, second = _two_in_order()

    fleet.restart()
    before = [p.job.uid for p in fleet.state.snapshot().pending]
    (uid,) = fleet.place(first, worker)
    fleet.beat(worker, [ended(uid)])
    fleet.restart()

    assert before == [first.uid]
    assert [p.job.uid for p in fleet.state.snapshot().pending] == [second.uid]


def test_the_api_says_what_a_job_waits_for(desk: Desk):
    desk.submit(name="first")

    desk.submit(name="second", after=[{"job": "first"}])

    assert (
        "the success of job first" in desk.ask("GET", "/v1/jobs/second").json["because"]
    )
    why = desk.ask("GET", "/v1/jobs/second/why").json
    assert why["because"] == "it waits for the success of job first"


@pytest.mark.parametrize("after", ["nobody", "itself"])
def test_a_job_after_one_that_is_not_there_is_refused(desk: Desk, after):
    body = {"client_id": "c", "spec": {"command": ["true"], "name": "itself"}}
    body["spec"]["after"] = [{"job": after}]

    answer = desk.ask("POST", "/v1/jobs", body)

    assert answer.status_code == 422
    assert answer.json["detail"] == f"there is no job {after!r} to run after"


def test_a_job_after_one_that_has_ended_begins_or_is_refused(desk: Desk):
    desk.submit(name="first")
    desk.ask("POST", "/v1/jobs/first:cancel", {})
    body = {
        "client_id": "c",
        "spec": {"command": ["true"], "after": [{"job": "first"}]},
    }

    refused = desk.ask("POST", "/v1/jobs", body)
    job = desk.submit(name="then", after=[{"job": "first", "on": "any"}])

    assert "job first, which has ended: cancelled" in refused.json["detail"]
    assert "--after-any" in refused.json["hint"]
    assert job.spec.after == ()


def test_a_name_that_is_taken_is_refused_kept_or_replaced():
    fleet = Fleet()
    old = fleet.submit(name="train")

    kept = fleet.submit(name="train", same_name=SameName.KEEP)
    with pytest.raises(Conflict, match="job train of ada is live"):
        fleet.submit(name="train", same_name=SameName.REFUSE)
    new = fleet.submit(name="train", same_name=SameName.REPLACE)
    newer = fleet.submit(name="train", same_name=SameName.REPLACE)

    assert kept.uid == old.uid
    assert fleet.journal.job(old.uid).because == "replaced by job train-2"
    assert fleet.journal.job(new.uid).because == "replaced by job train-3"
    assert newer.name == "train-3"


def test_a_name_that_nobody_uses_any_more_is_free_under_every_policy():
    fleet = Fleet()
    fleet.state.cancel_job(fleet.submit(name="train").uid, "ada")

    assert fleet.submit(name="train", same_name=SameName.REFUSE).name == "train-2"


def test_a_strangers_job_is_neither_kept_nor_replaced_nor_cancelled(desk: Desk):
    ann, bob = desk.token(Role.USER, "ann"), desk.token(Role.USER, "bob")
    desk.submit(ann, name="train")

    for policy in ("keep", "replace"):
        spec = {"command": ["true"], "name": "train", "same_name": policy}
        answer = desk.ask("POST", "/v1/jobs", {"client_id": "c", "spec": spec}, bob)
        assert (answer.status_code, answer.json["code"]) == (409, "conflict")

    assert desk.ask("POST", "/v1/jobs/train:cancel", {}, bob).status_code == 403


def _two_in_order(on=AfterEnd.SUCCESS):
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    first = fleet.submit(name="first", resources=ONE_CPU)
    second = fleet.submit(
        name="second", resources=ONE_CPU, after=(After("first", on, first.uid),)
    )
    return fleet, worker, first, second
