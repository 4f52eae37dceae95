"""A VM for whoever needs a real one."""

from __future__ import annotations

import pytest

from tests.support.vm import Vm


@pytest.fixture
def make_vm(tmp_path):
    """Makes VMs; nothing of them lives after the test."""
    made: list[Vm] = []

    def make(**how: bool) -> Vm:
        made.append(Vm(tmp_path / f"vm-{len(made)}", **how))
        return made[-1]

    yield make
    for vm in made:
        vm.close()


@pytest.fixture
def vm(make_vm):
    """A VM that is up, and whose controller wants nothing yet."""
    return make_vm()
