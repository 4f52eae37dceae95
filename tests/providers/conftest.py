from __future__ import annotations

import pytest

from iris.providers.contract import Phase
from tests.support.eventually import eventually
from tests.support.local_cloud import REQUEST, a_provider, phase_of
from tests.support.machine import processes_in


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("IRIS_HOME", str(tmp_path))
    yield tmp_path
    provider = a_provider()
    for kind in ("controller", "slice", "disk"):
        for leftover in provider.list_leftovers():
            if leftover.kind == kind:
                provider.delete_leftover(leftover)
    assert processes_in(tmp_path) == []
    assert list((tmp_path / "local").glob("*")) in ([], [tmp_path / "local" / "mine"])


@pytest.fixture
def slice_folder(home):
    """The folder of a slice that is up."""
    provider = a_provider()
    provider.create_slice(REQUEST)
    eventually(lambda: phase_of(provider) is Phase.UP)
    return home / "local" / "mine" / "slices" / REQUEST.name
