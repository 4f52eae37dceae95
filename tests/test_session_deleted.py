"""A cluster without a controller: may one come back, or is it deleted?"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from iris.client import records
from iris.client.records import Record
from iris.errors import ClusterGone, NoCluster, Unavailable
from iris.session import open_session
from tests.support.sky import a_leftover

TEXT = """
name: one
provider: {local: {}}
scale_groups: {cpu: {cpus: 1, memory: 1GB}}
"""


class Sky:
    """A provider without a controller, which answers looks at what is left."""

    def __init__(self):
        self.looks = []

    def list_controllers(self):
        return ()

    def list_leftovers(self):
        left = self.looks.pop(0)
        if isinstance(left, Exception):
            raise left
        return left


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("IRIS_HOME", str(tmp_path / "home"))
    records.save(Record("one", "c-1", "x"), config_text=TEXT, token="t")
    return replace(open_session(cluster="one"), provider=Sky())


def test_a_cluster_whose_state_is_deleted_is_gone_and_said_to_be(session):
    session.provider.looks = [(a_leftover("slice", "one-a"),)]

    with session.controller(0.0) as client, pytest.raises(ClusterGone) as raised:
        client.cluster()

    assert "it was deleted, and its state with it" in raised.value.message
    assert "on its state" not in raised.value.hint


@pytest.mark.parametrize(
    "left", [(a_leftover("disk", "one-state"),), Unavailable("over capacity")]
)
def test_where_its_state_is_there_or_cannot_be_listed_it_may_come_back(session, left):
    session.provider.looks = [left]

    with session.controller(0.0) as client, pytest.raises(NoCluster) as raised:
        client.cluster()

    assert "starts it again on its state" in raised.value.hint


def test_a_cloud_is_asked_for_all_that_is_left_now_and_then_until_we_forget(session):
    session.provider.looks = [(a_leftover("disk", "one-state"),), ()]

    with session.controller(0.0) as client:
        for _ in range(3):
            with pytest.raises(NoCluster, match="no controller"):
                client.cluster()
        records.forget("one")
        with pytest.raises(ClusterGone):
            client.cluster()

    assert session.provider.looks == []
