"""Answers of two clouds are compared by shape, and told without what is private."""

from __future__ import annotations

import pytest

from iris.operations.contact_shapes import (
    Difference,
    Exchange,
    differences,
    redact,
    shape_of,
)


def answered(answer, status=200):
    return {"read": Exchange("read", "GET", "v2/x", status, answer)}


def test_values_that_differ_are_no_difference():
    cloud = {"id": "123", "at": "2026-03-01T05:10:00.178-08:00", "u": "https://a/b"}
    ours = {"id": "9", "at": "2026-11-23T05:10:00Z", "u": "http://127.0.0.1:1/c"}

    assert differences(answered(cloud), answered(ours)) == ()


@pytest.mark.parametrize(
    ("cloud", "ours", "where", "kinds"),
    [
        ({"a": 1}, {}, "/a", ("int", "not there")),
        ({}, {"a": 1}, "/a", ("not there", "int")),
        ({"a": 1}, {"a": "1"}, "/a", ("int", "text: number")),
        ({"state": "HIDING"}, {"state": "READY"}, "/state", ("HIDING", "READY")),
        ({"a": [{"b": 1}]}, {"a": [{"b": True}]}, "/a/*/b", ("int", "bool")),
        ({"a": {"b": {"c": 1}}}, {}, "/a", ("an object", "not there")),
    ],
)
def test_a_difference_is_named_once_with_its_place(cloud, ours, where, kinds):
    found = differences(answered(cloud), answered(ours))

    assert found == (Difference("read", where, *kinds),)


def test_another_status_is_the_whole_difference():
    found = differences(answered({"a": 1}, 404), answered({"b": 2}, 403))

    assert found == (Difference("read", "", "HTTP 404", "HTTP 403"),)


def test_a_step_that_was_not_asked_of_the_emulator_is_one():
    (found,) = differences(answered({}), {})

    assert found.emulator == "not asked"


def test_a_list_has_the_shape_of_all_its_entries():
    assert dict(shape_of([{"a": 1}, {"b": "x"}]))["/*/b"] == "text"


def test_what_is_private_never_gets_into_a_recording():
    answer = {
        "selfLink": "https://x/compute/v1/projects/secret-project/zones/z",
        "user": "somebody@example.com",
        "natIP": "34.90.1.2",
        "keys": ["iris:ssh-ed25519 AAAAC3NzaC1lZDI1 iris"],
        "token": "ya29.a0AfH6SMB_xyz-1",
        "told": "quota of secret-project in secret-project-2",
    }

    told = str(redact(answer, {"secret-project": "PROJECT"}))

    for secret in ("secret", "somebody", "34.90", "AAAAC3", "ya29"):
        assert secret not in told
