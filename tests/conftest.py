"""Clusters for whoever needs a real one."""

from __future__ import annotations

import signal

import pytest

from tests.support.cluster import QUICK, Cluster

# A shell that puts the tests into the background has them ignore these, and all that
# they start inherits it.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)


@pytest.fixture
def make_cluster(tmp_path, monkeypatch):
    """Makes a cluster from a file's text; nothing of it is left after the test."""
    monkeypatch.setenv("IRIS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("IRIS_CONFIG", raising=False)
    made: list[Cluster] = []

    def make(text: str = QUICK) -> Cluster:
        made.append(Cluster(tmp_path, text))
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()


@pytest.fixture
def cluster(make_cluster):
    """A quick cluster that is up."""
    made = make_cluster()
    made.start()
    return made
