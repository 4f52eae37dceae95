"""What VMs say of their boots, and what a slice does whose VM cannot boot."""

from __future__ import annotations

import msgspec
import pytest

from iris.domain.fleet import Slice
from iris.domain.protocol import Registration
from iris.domain.states import SliceState
from iris.planning.plans import CapacityPlan, Create
from tests.support.desk import Desk
from tests.support.fleet import TPU

REASON = "the VM at 10.164.0.3 was not told its index"


class Coming(msgspec.Struct):
    """A slice of four VMs that boots, and its tokens."""

    desk: Desk
    row: Slice
    join_tokens: tuple[str, ...]
    boot_token: str

    def says(self, token: str, index: int, phase: str, detail: str = "") -> int:
        """The status of the answer to one report."""
        name = self.row.name
        report = {"slice_name": name, "index": index, "phase": phase, "at": 1.0}
        path = f"/v1/slices/{name}:phase"
        answer = self.desk.ask("POST", path, report | {"detail": detail}, token)
        return int(answer.status_code)

    def register(self, token: str, index: int, address: str = "10.0.0.1") -> int:
        """The status of the answer to a worker that would join."""
        boot_id = f"boot of {address}"
        words = Registration(self.row.name, self.row.uid, index, boot_id, address, "v")
        answer = self.desk.ask("POST", "/v1/workers:register", words, token)
        return int(answer.status_code)

    def view(self) -> dict[str, str]:
        (slice_,) = self.desk.ask("GET", "/v1/slices").json["items"]
        return {key: slice_[key] for key in ("state", "because")}


@pytest.fixture
def coming(desk: Desk) -> Coming:
    plan = CapacityPlan(creates=(Create(TPU.name, "z", "a test wants it"),))
    (row,) = desk.state.commit_capacity(plan)
    desk.state.slice_accepted(row.name)
    request = desk.state.create_request(row.name, "http://x")
    return Coming(desk, row, request.join_tokens, request.boot_token)


def test_a_vm_without_an_index_fails_its_slice_at_once_and_says_why(coming: Coming):
    status = coming.says(coming.boot_token, -1, "failed", REASON)

    assert status == 200
    assert coming.view() == {"state": "failed", "because": f"a boot failed: {REASON}"}
    (backoff,) = coming.desk.state.snapshot().backoffs
    assert (backoff.kind, backoff.words) == ("boot-failed", REASON)
    (phase,) = coming.desk.ask("GET", f"/v1/slices/{coming.row.name}/boot").json[
        "phases"
    ]
    assert (phase["index"], phase["detail"]) == (-1, REASON)


def test_a_vm_whose_boot_ends_fails_its_slice_long_before_the_deadline(coming: Coming):
    coming.says(coming.join_tokens[2], 2, "failed", "image x cannot be pulled: denied")

    because = "a boot failed: worker 2: image x cannot be pulled: denied"
    assert coming.view() == {"state": "failed", "because": because}


def test_a_slice_takes_no_work_before_each_of_its_vms_has_found_itself_fit(
    coming: Coming,
):
    for index in (0, 1, 3):
        assert coming.register(coming.join_tokens[index], index) == 200
    before = coming.view()["state"]

    coming.says(coming.join_tokens[2], 2, "failed", "3 of 4 chips are there")

    because = "a boot failed: worker 2: 3 of 4 chips are there"
    assert before == "booting"
    assert coming.view() == {"state": "failed", "because": because}


def test_other_phases_end_nothing(coming: Coming):
    for phase in ("boot started", "image pull failed", "container started"):
        coming.says(coming.join_tokens[0], 0, phase)

    assert coming.view()["state"] == "creating"


@pytest.mark.parametrize("index", [-1, 0, 3])
def test_a_boot_token_joins_nothing(coming: Coming, index: int):
    assert coming.register(coming.boot_token, index) == 403
    assert coming.desk.ask("GET", "/v1/workers").json["items"] == []


def test_a_boot_token_speaks_for_no_worker_and_for_no_other_slice(coming: Coming):
    desk, token = coming.desk, coming.boot_token
    report = {"slice_name": "another", "index": -1, "phase": "failed", "at": 1.0}

    answers = [
        desk.ask("POST", "/v1/slices/another:phase", report, token).status_code,
        desk.ask("GET", "/v1/slices", None, token).status_code,
        desk.ask("GET", "/v1/jobs", None, token).status_code,
    ]

    assert coming.says(token, 0, "failed") == 403
    assert answers == [403, 401, 401]
    assert coming.view()["state"] == "creating"


def test_a_join_token_does_not_speak_as_a_vm_without_an_index(coming: Coming):
    assert coming.says(coming.join_tokens[0], -1, "failed") == 403
    assert coming.register(coming.join_tokens[0], -1) == 403


def test_what_runs_on_a_vm_cannot_end_its_slice_by_the_tokens_it_reads(desk: Desk):
    desk.boot(TPU)
    (row,) = desk.state.snapshot().slices
    request = desk.state.create_request(row.name, "http://x")
    ready = Coming(desk, row, request.join_tokens, request.boot_token)

    ready.says(request.boot_token, -1, "failed", "no index, says a job")
    ready.says(request.join_tokens[1], 1, "failed", "no image, says a job")

    assert row.state is SliceState.READY
    assert ready.view()["state"] == "ready"


def test_a_worker_that_joined_is_not_failed_by_a_report_that_comes_late(coming: Coming):
    assert coming.register(coming.join_tokens[0], 0) == 200

    coming.says(coming.join_tokens[0], 0, "failed", "late")

    assert coming.view()["state"] == "booting"


def test_two_vms_with_one_index_fail_their_slice_at_once(coming: Coming):
    coming.register(coming.join_tokens[1], 1, "10.0.0.1")

    assert coming.register(coming.join_tokens[1], 1, "10.0.0.2") == 409

    because = "worker 1: two VMs have its index: 10.0.0.1 and 10.0.0.2"
    assert coming.view() == {"state": "failed", "because": f"a boot failed: {because}"}


def test_a_join_token_that_is_used_twice_does_no_harm_to_a_slice_that_works(desk: Desk):
    desk.boot(TPU)
    (row,) = desk.state.snapshot().slices
    tokens = desk.state.create_request(row.name, "http://x").join_tokens
    ready = Coming(desk, row, tokens, "")

    assert ready.register(tokens[1], 1, "10.6.6.6") == 409
    assert ready.view()["state"] == "ready"


def test_a_vm_that_lost_its_identity_while_its_slice_boots_is_not_two(coming: Coming):
    coming.register(coming.join_tokens[1], 1)
    words = Registration(coming.row.name, coming.row.uid, 1, "later", "10.0.0.1", "v")

    path, token = "/v1/workers:register", coming.join_tokens[1]
    answer = coming.desk.ask("POST", path, words, token)

    assert answer.status_code == 409
    assert coming.view()["state"] == "booting"


def test_a_vm_fills_the_database_with_no_more_than_a_boot_has_to_say(coming: Coming):
    token, path = coming.join_tokens[0], f"/v1/slices/{coming.row.name}/boot"

    answers = [coming.says(token, 0, "p" * 9000, "d" * 9000) for _ in range(201)]

    assert (answers[:200], answers[200]) == ([200] * 200, 409)
    assert coming.says(coming.join_tokens[1], 1, "boot started") == 200
    phases = coming.desk.ask("GET", path).json["phases"]
    assert max(len(p["phase"] + p["detail"]) for p in phases) == 1000


def test_a_token_of_a_slice_that_failed_is_good_for_nothing(coming: Coming):
    coming.says(coming.boot_token, -1, "failed", REASON)

    assert coming.says(coming.boot_token, -1, "failed", REASON) == 401
    assert coming.register(coming.join_tokens[0], 0) == 401


def test_phases_are_shown_in_order_of_time_whenever_they_arrive(coming: Coming):
    name, token = coming.row.name, coming.join_tokens[0]
    for at, phase in ((3.0, "image pulled"), (2.0, "boot started")):
        report = {"slice_name": name, "index": 0, "phase": phase, "at": at}
        coming.desk.ask("POST", f"/v1/slices/{name}:phase", report, token)

    phases = coming.desk.ask("GET", f"/v1/slices/{name}/boot").json["phases"]

    assert [phase["phase"] for phase in phases] == ["boot started", "image pulled"]
