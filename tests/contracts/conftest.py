"""A cloud for each provider, empty at first and empty again at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.clock import RealClock
from iris.config import parse_config
from iris.providers import known_providers, load_provider
from iris.providers.contract import ControllerRequest, Provider, SliceRequest
from tests.support.machine import processes_in

CLUSTER_FILES = {
    "local": """
name: contract
provider: {local: {}}
controller: {port: 0}
scale_groups:
  cpu: {cpus: 4, memory: 8GB}
  v5e: {accelerator: v5litepod-8, max_slices: 2}
""",
}
UID = "c-1"


class Cloud:
    """One provider's cloud, as several clusters of one name may see it."""

    def __init__(self, kind: str) -> None:
        self.text = CLUSTER_FILES[kind]
        self.config = parse_config(self.text)

    def provider(self, uid: str = UID) -> Provider:
        return load_provider(self.config, uid, RealClock())

    def controller_request(self, uid: str = UID) -> ControllerRequest:
        return ControllerRequest(uid, self.text)

    def slice_request(
        self, name: str = "contract-v5e-1", uid: str = "s-1", group: str = "v5e"
    ) -> SliceRequest:
        found = next(g for g in self.config.groups() if g.name == group)
        return SliceRequest(
            name=name,
            uid=uid,
            group=found,
            zone=found.zones[0],
            controller_url="http://127.0.0.1:1",
            join_tokens=tuple(f"join-{i}" for i in range(found.vms)),
        )


@pytest.fixture(params=known_providers())
def cloud(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cloud]:
    monkeypatch.setenv("IRIS_HOME", str(tmp_path))
    made = Cloud(request.param)
    yield made
    everyone = made.provider("")
    for kind in ("controller", "slice", "disk"):
        for leftover in everyone.list_leftovers():
            if leftover.kind == kind:
                everyone.delete_leftover(leftover)
    assert everyone.list_leftovers() == ()
    assert processes_in(tmp_path) == []
