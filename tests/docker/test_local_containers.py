"""A cluster on this machine whose attempts are containers, as a user sees it."""

from __future__ import annotations

import json

import pytest

from iris.domain.containers import VM_LABEL
from tests.support.eventually import eventually
from tests.support.terminal import Terminal

pytestmark = pytest.mark.docker

FILE = """
name: contained
provider: {local: {}}
controller: {port: 0}
worker: {runtime: docker, image: "%s"}
autoscaler: {evaluation_interval: 1s}
scale_groups:
  cpu: {cpus: 4, memory: 4GB}
"""


@pytest.fixture
def terminal(engine, base, tmp_path):
    """Somebody with such a cluster; at the end no container of it is left."""
    (tmp_path / "contained.yaml").write_text(FILE % base.name)
    terminal = Terminal(tmp_path)
    terminal.ok("cluster.start", "--config", str(tmp_path / "contained.yaml"))
    yield terminal
    terminal.ok("cleanup", "--no-dry-run")
    assert containers(engine, tmp_path) == []


def containers(engine, folder) -> list[str]:
    """The folders of VMs below a folder that have a container."""
    form = '{{.Label "' + VM_LABEL + '"}}'
    words = ("ps", "--all", "--filter", f"label={VM_LABEL}", "--format", form)
    return [vm for vm in engine.run(*words, about="").split() if str(folder) in vm]


def test_a_job_runs_in_the_image_that_it_names(terminal, base):
    words = ("job.run", "--no-bundle", "--follow", "--image", base.name, "--")

    said = terminal.ok(*words, "sh", "-c", "cat /etc/os-release")

    assert "Debian GNU/Linux" in said


def test_a_slice_is_gone_only_once_its_containers_are(terminal, engine, tmp_path):
    terminal.ok("job.run", "--no-bundle", "--name", "stays", "--", "sleep", "1000")
    eventually(lambda: containers(engine, tmp_path), within=60.0)

    terminal.ok("cleanup", "--no-dry-run")

    assert containers(engine, tmp_path) == []
    terminal.ok("cluster.start", "--config", str(tmp_path / "contained.yaml"))


def test_a_job_that_waits_for_its_image_says_so(terminal):
    words = ("job.run", "--no-bundle", "--name", "waits", "--image")
    terminal.ok(*words, "127.0.0.1:1/x:1", "--", "true")

    def because() -> str:
        status = json.loads(terminal.ok("job.status", "waits", "--json"))
        return json.dumps(status["attempts"])

    eventually(lambda: "image 127.0.0.1:1/x:1 cannot be pulled" in because(), 60.0)
