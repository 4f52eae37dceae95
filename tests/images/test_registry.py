"""The registry of this machine: it comes up, it goes, it stays nobody's orphan."""

from __future__ import annotations

import json
import shutil
import urllib.request

import pytest

from iris import processes
from iris.clock import RealClock
from iris.errors import FellShort, Held
from iris.images.registry import LocalRegistry
from tests.support.eventually import eventually

pytestmark = pytest.mark.skipif(
    shutil.which("docker-registry") is None, reason="no docker-registry on this machine"
)


def answers(address):
    with urllib.request.urlopen(f"http://{address}/v2/", timeout=5) as answer:
        return answer.status == 200


def pid_of(registry):
    return json.loads((registry.folder / "running.json").read_text())["pid"]


def test_it_answers_on_loopback_while_it_is_needed(tmp_path):
    with LocalRegistry(RealClock(), tmp_path) as registry:
        assert registry.address.startswith("127.0.0.1:")
        assert answers(registry.address)
        pid = pid_of(registry)

    assert processes.started_at(pid) is None
    assert not (tmp_path / "running.json").exists()


def test_two_do_not_share_a_folder(tmp_path):
    with (
        LocalRegistry(RealClock(), tmp_path),
        pytest.raises(Held, match="another process runs the registry"),
    ):
        LocalRegistry(RealClock(), tmp_path).start()


def test_one_whose_owner_was_killed_is_ended_by_the_next(tmp_path):
    orphan = LocalRegistry(RealClock(), tmp_path)
    orphan.start()
    pid = pid_of(orphan)
    orphan._lock.close()  # as the end of its owner does

    with LocalRegistry(RealClock(), tmp_path) as registry:
        assert answers(registry.address)
        eventually(lambda: processes.started_at(pid) is None)

    orphan.stop()


def test_one_that_does_not_come_up_says_why_and_leaves_nothing(tmp_path):
    bad = LocalRegistry(RealClock(), tmp_path, more="auth: {nonsense: {}}\n")

    with pytest.raises(FellShort, match=r"the registry does not come up: .*nonsense"):
        bad.start()

    assert not (tmp_path / "running.json").exists()
    with LocalRegistry(RealClock(), tmp_path) as registry:
        assert answers(registry.address)
