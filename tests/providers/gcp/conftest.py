"""A project on this machine's Google Cloud, empty at first and at the end."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from iris.clock import RealClock
from iris.config import parse_config
from iris.errors import CloudError
from iris.providers.contract import (
    CloudSlice,
    ControllerRequest,
    SliceRequest,
    Surroundings,
)
from iris.providers.gcp import Provider
from tests.support.emulator import Emulator, running_emulator
from tests.support.eventually import eventually

FILE = """
name: lab
provider: {gcp: {project: iris-rehearsal, zone: europe-west4-b}}
controller: {image: iris-controller}
worker: {image: iris-worker, runtime: process}
labels: {team: research}
scale_groups:
  cpu: {machine_type: n2-standard-4}
  v5e: {accelerator: v5litepod-16, zones: [europe-west4-b, us-central1-a]}
  spot: {accelerator: v5litepod-16, capacity: spot}
  held: {accelerator: v5litepod-16, capacity: queued}
"""


class Project:
    """What one cluster sees of the cloud, and the emulator's own side."""

    def __init__(self, emulator: Emulator, name: str = "lab") -> None:
        self.emulator = emulator
        self.text = FILE.replace("lab", name)
        self.config = parse_config(self.text)

    def provider(self, uid: str = "c-1") -> Provider:
        around = Surroundings(self.emulator.endpoints)
        return Provider(self.config, uid, RealClock(), around)

    def request(
        self, group: str = "v5e", uid: str = "s-1", **replaced: str
    ) -> SliceRequest:
        found = next(g for g in self.config.groups() if g.name == group)
        made = SliceRequest(
            name=f"lab-{group}-1",
            uid=uid,
            group=found,
            zone=found.zones[0],
            controller_url="http://127.0.0.1:1",
            join_tokens=tuple(f"join-{i}" for i in range(found.vms)),
        )
        return msgspec.structs.replace(made, **replaced)

    def controller(self, uid: str = "c-1", adopt: str = "") -> ControllerRequest:
        return ControllerRequest(uid, self.text, adopt)

    def the_slice(self) -> CloudSlice:
        """The only one there is."""
        (found,) = self.provider().list_slices().slices
        return found

    def empty(self) -> None:
        """Leave nothing."""
        everyone = self.provider("")
        for _ in range(2):  # a disk goes after the VM that has it
            for leftover in everyone.list_leftovers():
                try:
                    everyone.delete_leftover(leftover)
                except CloudError:
                    continue
        assert everyone.list_leftovers() == ()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("google")) as emulator:
        yield emulator


@pytest.fixture
def project(emulator: Emulator) -> Iterator[Project]:
    made = Project(emulator)
    yield made
    emulator.withdraw()
    eventually(lambda: made.empty() is None)
