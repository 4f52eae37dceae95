from __future__ import annotations

import pytest

from iris.clock import RealClock
from iris.config.cloud import SshConfig
from iris.remote.keys import ensure_key, public_file
from iris.remote.tunnel import Tunnel
from tests.support.eventually import eventually
from tests.support.fake_controller import FakeController
from tests.support.ssh_server import SshServer, a_destination, a_target


@pytest.fixture
def folder(tmp_path):
    """A cluster's folder, with its key."""
    ensure_key(tmp_path / "cluster", SshConfig())
    return tmp_path / "cluster"


@pytest.fixture
def server(folder):
    made = SshServer(public_file(folder / "ssh_key"))
    yield made
    made.close()


@pytest.fixture
def controller():
    made = FakeController()
    yield made
    made.close()


@pytest.fixture
def destination(folder, server, controller):
    return a_destination(a_target(folder, server), controller.url)


@pytest.fixture
def tunnel(folder):
    """None runs yet; what a test starts ends with it."""
    made = Tunnel(folder, RealClock())
    yield made
    made.stop()
    eventually(lambda: made.state() is None)
