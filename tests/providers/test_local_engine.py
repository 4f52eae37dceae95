"""Local slices whose attempts are containers, where no engine answers."""

from __future__ import annotations

import pytest

from iris.clock import RealClock
from iris.config import parse_config
from iris.errors import Unavailable
from iris.providers import load_provider
from tests.support.eventually import eventually
from tests.support.local_cloud import REQUEST, TEXT

SILENT = "the container engine does not answer: Connection refused"


@pytest.fixture
def provider(home, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    text = f"{TEXT}worker: {{runtime: docker, image: an-image:1}}\n"
    return load_provider(parse_config(text), "c-1", RealClock())


def test_a_slice_that_never_joined_for_want_of_an_engine_is_deleted(provider, home):
    provider.create_slice(REQUEST)
    vm = home / "local/mine/slices" / REQUEST.name / "vm-0"
    eventually(lambda: SILENT in (vm / "keeper.log").read_text(), within=30.0)

    provider.delete_slice(REQUEST.name, "local")

    assert provider.list_slices().slices == ()


def test_what_may_run_in_containers_is_not_gone_while_the_engine_is_silent(
    provider, home
):
    vm = home / "local/mine/slices" / REQUEST.name / "vm-0"
    vm.mkdir(parents=True)
    (vm / "worker.json").write_text("{}")

    with pytest.raises(Unavailable, match=f"cannot be ended: {SILENT}"):
        provider.delete_slice(REQUEST.name, "local")

    assert vm.exists()
