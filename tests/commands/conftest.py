from __future__ import annotations

import pytest

from tests.support.cluster import QUICK
from tests.support.eventually import eventually
from tests.support.machine import processes_in
from tests.support.terminal import Terminal


@pytest.fixture
def terminal(tmp_path):
    """A terminal of somebody who has no cluster yet."""
    return Terminal(tmp_path)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A terminal whose cluster runs, for all tests of a module."""
    terminal = Terminal(tmp_path_factory.mktemp("running"))
    file = terminal.folder / "proof.yaml"
    file.write_text(QUICK)
    terminal.ok("cluster.start", "--config", str(file))
    yield terminal
    terminal.ok("cleanup", "--no-dry-run")
    eventually(lambda: processes_in(terminal.folder) == [])
