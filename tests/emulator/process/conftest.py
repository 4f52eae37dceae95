"""A driver of its own for each test, and VMs in it; nothing is left of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from iris.clock import RealClock
from iris.domain.endpoints import Endpoints
from iris.emulator.faults import Faults
from iris.emulator.machines import Vm
from iris.emulator.process.driver import ProcessDriver
from tests.support.machine import processes_in

ACCOUNT = "worker@a-project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
Boot = Callable[..., Vm]


@pytest.fixture
def faults() -> Faults:
    return Faults(RealClock())


@pytest.fixture
def make_driver(tmp_path: Path, faults: Faults) -> Callable[[], ProcessDriver]:
    def made() -> ProcessDriver:
        driver = ProcessDriver(tmp_path / "emulator", RealClock())
        driver.connect(
            faults=faults,
            endpoints=Endpoints,
            mint=lambda email, scopes, project: (f"{email} {' '.join(scopes)}", 3599.0),
            may_pull=bool,
        )
        return driver

    return made


@pytest.fixture
def driver(
    make_driver: Callable[[], ProcessDriver], tmp_path: Path
) -> Iterator[ProcessDriver]:
    made = make_driver()
    yield made
    made.close(end_all=True)
    assert processes_in(tmp_path) == []


def a_vm(driver: ProcessDriver, number: int = 1, **words: object) -> Vm:
    """A VM that has an address; what matters is given, `attributes` above all."""
    internal, external = driver.take_address(str(number))
    ordinary = Vm(
        id=str(number),
        name=f"vm-{number}",
        project="a-project",
        project_number=42,
        zone="europe-west4-b",
        machine_type="n2-standard-4",
        internal_ip=internal,
        external_ip=external,
        service_account=ACCOUNT,
        scopes=(SCOPE,),
    )
    return replace(ordinary, **words)


@pytest.fixture
def boot(driver: ProcessDriver) -> Boot:
    """Boots a VM with a startup script."""

    def booted(script: str = "", number: int = 1, **words: object) -> Vm:
        given = words.pop("attributes", {})
        assert isinstance(given, dict)
        attributes = {**given, **({"startup-script": script} if script else {})}
        vm = a_vm(driver, number, attributes=attributes, **words)
        driver.boot(vm)
        return vm

    return booted
