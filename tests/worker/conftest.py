"""A VM for whoever needs a real one."""

from __future__ import annotations

import pytest

from tests.support.vm import Vm


@pytest.fixture
def vm(tmp_path):
    """A VM that is up, and whose controller wants nothing yet."""
    vm = Vm(tmp_path / "vm-0")
    yield vm
    vm.close()
