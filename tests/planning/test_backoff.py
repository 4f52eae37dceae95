"""How long a group stays away from a zone."""

from __future__ import annotations

import pytest

from iris.domain.fleet import Backoff
from iris.errors import CloudError
from iris.planning.backoff import FORGOTTEN_AFTER, PATIENCE, is_held_back, next_backoff
from tests.support.builders import NOW


def refused(previous: Backoff | None, kind: str, now: float = NOW) -> Backoff:
    return next_backoff(previous, "tpu", "z", kind, "the cloud's own words", now)


def after(refusals: int, kind: str) -> Backoff:
    backoff = refused(None, kind)
    for _ in range(refusals - 1):
        backoff = refused(backoff, kind)
    return backoff


@pytest.mark.parametrize("kind", sorted(set(PATIENCE) - {"unknown"}))
def test_each_refusal_of_a_kind_doubles_the_wait_up_to_a_limit(kind: str) -> None:
    patience = PATIENCE[kind]

    waits = [after(n, kind).until - NOW for n in (1, 2, 3, 100)]

    assert waits[0] == patience.base
    assert waits[1] == min(2 * patience.base, patience.most)
    assert waits == sorted(waits)
    assert waits[3] == patience.most


def test_every_refusal_of_a_cloud_has_its_own_patience() -> None:
    assert {error.code() for error in CloudError.__subclasses__()} <= set(PATIENCE)


def test_no_quota_is_held_longest_and_a_rate_limit_shortest() -> None:
    first = {kind: after(1, kind).until - NOW for kind in PATIENCE}

    assert max(first, key=lambda kind: first[kind]) == "no-quota"
    assert first["rate-limited"] < first["out-of-capacity"] < first["no-quota"]


def test_an_answer_that_cannot_be_read_holds_nothing_back() -> None:
    assert not is_held_back(refused(None, "unknown"), NOW)
    assert is_held_back(refused(None, "quota-full"), NOW)
    assert not is_held_back(None, NOW)


def test_another_kind_or_a_long_peace_begins_a_new_series() -> None:
    third = after(3, "out-of-capacity")

    assert third.failures == 3
    assert refused(third, "quota-full").failures == 1
    later = third.until + FORGOTTEN_AFTER
    assert refused(third, "out-of-capacity", later).failures == 1
