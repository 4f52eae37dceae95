"""What was pushed is what boots, and another digest is said."""

from __future__ import annotations

import json

import pytest

from iris.images.lock import ImageLock, LockedImage, write_lock
from tests.support.eventually import eventually
from tests.support.machine import processes_in
from tests.support.terminal import Terminal

PLACE = "europe-west4-docker.pkg.dev/hai-gcp-models/marin"


@pytest.fixture
def terminal(tmp_path):
    return Terminal(tmp_path)


def lock(terminal, worker):
    digests = {"controller": "c" * 64, "worker": worker * 64}
    images = {
        part: LockedImage(f"{PLACE}/iris-{part}:latest", "1-x", f"sha256:{digest}")
        for part, digest in digests.items()
    }
    made = ImageLock(**images, version="1", commit="abc", base="python sha256:1")
    write_lock(terminal.home / "images/iris-eu.images.json", made)


def test_a_cluster_runs_what_its_lock_says_until_it_is_restarted_on_another(terminal):
    lock(terminal, worker="d")
    terminal.ok("cluster.start", "--config", "eu-west4.yaml", "--rehearse")

    first = json.loads(terminal.ok("cluster.status", "--json"))
    lock(terminal, worker="e")
    said = terminal.ok("cluster.status")
    refused = terminal.refused("cluster.start", "--config", "eu-west4.yaml", status=1)
    terminal.ok("cluster.restart", "--config", "eu-west4.yaml")
    second = json.loads(terminal.ok("cluster.status", "--json"))
    terminal.ok("rehearse.stop")
    eventually(lambda: processes_in(terminal.folder) == [])

    assert first["images"]["worker"] == f"{PLACE}/iris-worker@sha256:{'d' * 64}"
    assert first["notes"] == []
    assert f"the lock says {PLACE}/iris-worker@sha256:{'e' * 64}" in said
    assert "runs another version" in refused
    assert second["images"]["worker"].endswith("e" * 64)
    assert second["notes"] == []
