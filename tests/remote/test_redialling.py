"""Connections from behind SSH go on after cuts."""

from __future__ import annotations

import pytest

from iris.errors import Unreachable
from iris.remote.redialling import Redialling
from tests.support.eventually import eventually
from tests.support.ssh_server import a_target


def test_a_connection_after_a_cut_opens_ssh_again(folder, server, controller):
    port = int(controller.url.rpartition(":")[2])
    way = Redialling(a_target(folder, server), ("127.0.0.9", "127.0.0.1"))
    way.dial(port).close()

    eventually(server.cut)
    way.dial(port).close()
    with pytest.raises(Unreachable, match=r"cannot reach 127\.0\.0\.1:1"):
        way.dial(1)
    way.close()

    assert server.handshakes == 2
