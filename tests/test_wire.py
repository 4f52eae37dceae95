"""Structs and errors cross the wire unchanged; what is wrong is named."""

from __future__ import annotations

import pytest

from iris.domain.jobs import JobSpec
from iris.domain.protocol import LogChunk
from iris.domain.views import Problem, Submission
from iris.errors import IrisError, NotThere, UsageError
from iris.wire import (
    decode,
    encode,
    error_class_by_code,
    error_from_problem,
    error_to_problem,
)


def test_a_struct_comes_back_as_it_went():
    sent = Submission("c-1", JobSpec(command=("echo", "é"), env={"A": "b"}))

    assert decode(encode(sent), Submission) == sent


def test_bytes_come_back_as_they_went():
    sent = LogChunk("a-1", 7, b"\x00\xff")

    assert decode(encode(sent), LogChunk) == sent


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"client_id": 1}', "client_id: expected `str`, got `int`"),
        ("{}", "body: object missing required field `client_id`"),
        ("[]", "body: expected `object`, got `array`"),
        ('{"client_id": "a", "spec": {"command": [1]}}', "spec.command[0]: expected"),
        ('{"client_id": "a", "spec": {"command": [], "band": "x"}}', "spec.band: "),
        ("{", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"client_id": "\xff"}', "not JSON"),
        ("", "not JSON"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_its_path(body: str, words: str):
    with pytest.raises(UsageError) as caught:
        decode(body, Submission)

    assert words in str(caught.value)


@pytest.mark.parametrize("kind", error_class_by_code().values(), ids=str)
def test_every_error_comes_back_as_its_own_class(kind: type[IrisError]):
    sent = kind("what failed", "what to do")

    problem = decode(encode(error_to_problem(sent)), Problem)
    came = error_from_problem(problem)

    assert type(came) is kind
    assert (came.message, came.hint) == ("what failed", "what to do")
    assert problem.status == kind.http_status
    assert problem.title


def test_codes_are_stable_and_differ():
    assert error_class_by_code()["not-there"] is NotThere
    assert len({kind.code() for kind in error_class_by_code().values()}) == len(
        error_class_by_code()
    )


def test_an_error_of_a_newer_version_is_still_an_error():
    came = error_from_problem(Problem("brand-new", "Title", 418, "words"))

    assert type(came) is IrisError
    assert came.message == "words"
