"""`inv dev.first-contact`, rehearsed: one emulator plays the cloud, and lies."""

from __future__ import annotations

import json

import pytest

from iris.operations import rehearsing
from iris.operations.rehearsing import Wanted
from tests.support.eventually import eventually
from tests.support.machine import processes_in
from tests.support.terminal import Terminal


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    """An emulator that stands for Google's own addresses."""
    monkeypatch.setenv("IRIS_HOME", str(tmp_path / "cloud"))
    wanted = Wanted("hai-gcp-models", "europe-west4-b")
    yield rehearsing.start(wanted, lambda line: None)
    rehearsing.stop(lambda line: None)
    eventually(lambda: processes_in(tmp_path) == [])


@pytest.fixture
def terminal(tmp_path, cloud):
    terminal = Terminal(tmp_path)
    base = cloud.base_url
    terminal.environment |= {"IRIS_COMPUTE_URL": base, "IRIS_TPU_URL": base}
    return terminal


WORDS = ("dev.first-contact", "--config", "eu-west4.yaml")


def test_a_first_contact_says_before_what_it_may_cost(terminal):
    said = terminal.ok(*WORDS)

    assert "v5litepod-1\n" in said
    assert "spend at most 1.2" in said
    assert "--no-dry-run does it" in said


def test_a_cloud_that_is_like_the_emulator_differs_nowhere(terminal, cloud):
    contact = json.loads(terminal.ok(*WORDS, "--no-dry-run", "--json"))

    assert contact["differences"] == []
    assert contact["troubles"] == []
    assert {each.deleted_at > 0 for each in cloud.admin.ledger()} == {True}
    assert "hai-gcp-models" not in json.dumps(contact["recording"])


def test_a_state_that_the_emulator_does_not_know_is_found(terminal, cloud):
    fault = {"kind": "unknown-state", "api": "tpu", "times": 0}
    cloud.admin.inject(fault)

    ran = terminal.run(*WORDS, "--no-dry-run", "--json")

    contact = json.loads(ran.out)
    found = {(each["step"], each["where"]) for each in contact["differences"]}
    assert ran.status == 1
    assert ("a TPU", "/state") in found
    assert {each.deleted_at > 0 for each in cloud.admin.ledger()} == {True}
