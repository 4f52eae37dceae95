"""A cloud for each provider, empty at first and empty again at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iris.client.records import Record
from iris.clock import RealClock
from iris.config import parse_config
from iris.providers import known_providers, load_provider
from iris.providers.contract import (
    ControllerRequest,
    Provider,
    SliceRequest,
    Surroundings,
)
from iris.reaching import Reach
from tests.support.emulator import Emulator, running_emulator
from tests.support.eventually import eventually
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
    "gcp": """
name: contract
provider: {gcp: {project: iris-rehearsal, zone: europe-west4-b}}
controller: {image: iris-controller}
worker: {image: iris-worker, runtime: process}
scale_groups:
  cpu: {machine_type: n2-standard-4}
  v5e: {accelerator: v5litepod-8, max_slices: 2}
""",
}
UID = "c-1"
ORDER = ("controller", "queued-resource", "slice", "disk")


class Cloud:
    """One provider's cloud, as several clusters of one name may see it."""

    def __init__(self, kind: str) -> None:
        self.text = CLUSTER_FILES[kind]
        self.config = parse_config(self.text)
        self.surroundings = Surroundings()

    def provider(self, uid: str = UID) -> Provider:
        return load_provider(self.config, uid, RealClock(), self.surroundings)

    def close(self) -> None:
        """Leave nothing of it."""
        everyone = self.provider("")
        for kind in ORDER:
            for leftover in everyone.list_leftovers():
                if leftover.kind == kind:
                    everyone.delete_leftover(leftover)
        assert everyone.list_leftovers() == ()

    def controller_request(self, uid: str = UID, adopt: str = "") -> ControllerRequest:
        return ControllerRequest(uid, self.text, adopt)

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


class Emulated(Cloud):
    """Google Cloud as it is on this machine, reached by SSH where files are read."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__("gcp")
        record = Record(
            cluster="contract",
            cluster_uid=UID,
            config_path="contract.yaml",
            rehearsal=True,
            endpoints=emulator.endpoints,
            proxy_command=emulator.proxy_command,
        )
        self.reach = Reach(self.config, record, RealClock())
        self.reach.ensure_key()
        self.surroundings = Surroundings(
            endpoints=emulator.endpoints,
            ssh_keys=self.reach.authorized_keys(),
            read_over_ssh=self.reach.read,
        )

    def close(self) -> None:
        self.reach.tunnel.stop()
        super().close()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture(params=known_providers())
def cloud(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cloud]:
    monkeypatch.setenv("IRIS_HOME", str(tmp_path))
    kinds: dict[str, Callable[[], Cloud]] = {
        "gcp": lambda: Emulated(request.getfixturevalue("emulator"))
    }
    made = kinds.get(request.param, lambda: Cloud(request.param))()
    yield made
    made.close()
    eventually(lambda: processes_in(tmp_path) == [])
