"""A cluster that is validated as a person types it."""

from __future__ import annotations

import json


def test_validate_proves_a_cluster_and_leaves_nothing_of_its_own(running):
    found = json.loads(running.ok("validate", "--json"))

    assert found["is_sound"]
    outcomes = {phase["name"]: phase["outcome"] for phase in found["phases"]}
    assert set(outcomes.values()) <= {"ok", "skipped"}
    assert {name for name, outcome in outcomes.items() if outcome == "ok"} >= {
        "one-vm",
        "computation",
        "gang",
        "same-slice",
    }
    assert running.ok("probe.list-slices") == "none\n"
    live = running.ok("job.list", "--state", "running")
    assert live == "none\n"


def test_validate_of_a_type_that_is_not_there_names_those_that_are(running):
    said = running.refused("validate", "--tpu-type", "v5litepod-64", status=2)

    assert "v5litepod-16" in said
