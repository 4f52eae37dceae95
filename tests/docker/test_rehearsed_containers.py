"""One rehearsed cluster whose attempts are containers, each on a VM's own engine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from iris import wire
from iris.images.engine import Engine
from iris.images.lock import ImageLock, LockedImage, write_lock
from iris.images.vm import LABEL
from tests.support.eventually import eventually
from tests.support.killing import emulator, living
from tests.support.machine import processes_in
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
LONG, LONGEST = 120.0, 300.0  # seconds
PLACE = "hai-gcp-models/marin/iris-worker"
FILE = """\
name: contained
provider:
  gcp: {project: hai-gcp-models, zone: europe-west4-b}
controller:
  machine_type: n2-standard-4
  image: europe-west4-docker.pkg.dev/hai-gcp-models/marin/iris-controller:latest
worker:
  image: europe-west4-docker.pkg.dev/hai-gcp-models/marin/iris-worker:latest
  runtime: docker
  chips_timeout: 3s
autoscaler: {evaluation_interval: 1s}
scale_groups:
  one: &group
    accelerator: v5litepod-4
    runtime_version: v2-alpha-tpuv5-lite
    zones: [europe-west4-b]
    max_slices: 2
  other: {<<: *group, accelerator: v5litepod-8}
"""
LAST_WORDS = "it was built in a hurry"
BROKEN = f"""\
FROM {{image}}
ENTRYPOINT ["sh", "-c", "echo {LAST_WORDS} >&2; exit 3"]
"""


class Vm:
    """A VM by its name: what a person does on it."""

    def __init__(self, engine: Engine, folder: Path, name: str) -> None:
        words = ("ps", "--quiet", "--filter", f"label={LABEL}={folder}")
        self._engine = engine
        (self._container,) = (
            each
            for each in engine.run(*words, about="").split()
            if engine.run(
                "inspect", "--format", "{{.Config.Hostname}}", each, about=""
            ).strip()
            == name
        )

    def run(self, *words: str) -> str:
        return self._engine.run("exec", self._container, *words, about="").strip()

    def hold(self, chip: str) -> str:
        """A stranger opens a chip; its pid."""
        holding = f"sleep 1000 <{chip} >/dev/null 2>&1 & echo $!"
        return self.run("sh", "-c", holding)

    def end_engine(self, number: str) -> None:
        """Return once another one is there."""
        pid = self._engine_pid()
        self.run("kill", f"-{number}", pid)
        eventually(lambda: self._engine_pid() not in ("", pid), within=LONG)

    def containers(self) -> dict[str, str]:
        """Which run on its engine, and since when: once that answers."""
        shown = "{{.Id}} {{.State.Running}} {{.State.StartedAt}} {{.RestartCount}}"
        look = f"docker ps -q | xargs -r docker inspect -f '{shown}'"
        lines = eventually(lambda: self._said("sh", "-c", look), within=LONG)
        return dict(line.split(" ", 1) for line in lines.splitlines())

    def _engine_pid(self) -> str:
        return self._said("cat", "/var/run/docker.pid").strip()

    def _said(self, *words: str) -> str:
        said = self._engine.try_("exec", self._container, *words)
        return said.out if said.status == 0 else ""


@pytest.fixture(scope="module")
def terminal(engine, image_by_part, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contained")
    (folder / "contained.yaml").write_text(FILE)
    made = Terminal(folder)
    words = ("--config", str(folder / "contained.yaml"), "--rehearse")
    try:
        made.ok("cluster.start", *words, "--vms", "docker", within=LONGEST)
        yield made
    finally:
        made.ok("rehearse.stop")
    eventually(lambda: processes_in(folder) == [], within=LONG)


def start_held(terminal: Terminal, name: str) -> None:
    """A job that says `up`, and goes on until somebody tells it."""
    until_told = "echo up; until [ -e told ]; do sleep 0.1; done; echo told"
    words = ("--tpu", "v5litepod-4", "--no-bundle", "--name", name)
    terminal.ok("job.run", *words, "--", "sh", "-c", until_told)
    eventually(lambda: "up" in terminal.ok("job.logs", name), within=LONG)


def vm_of(engine: Engine, terminal: Terminal, job: str) -> Vm:
    name = terminal.typed("job.exec", job, "--", "hostname").stdout.decode().strip()
    return Vm(engine, terminal.home / "emulator", name)


def has_happened(terminal: Terminal, words: str) -> bool:
    assert words in terminal.ok("probe.events")
    return True


def status(terminal: Terminal, job: str):
    return json.loads(terminal.ok("job.status", job, "--json"))


def test_people_get_into_a_container_and_it_outlives_its_engine(terminal, engine):
    start_held(terminal, "held")
    every = bytes(range(256)) * 40
    tell = "tr '\\0' ' ' </proc/1/cmdline; echo; pwd; echo $IRIS_JOB"
    said = f"cat; {{ {tell}; }} >&2; exit 7"

    entered = terminal.typed("job.exec", "held", "--", "sh", "-c", said, sent=every)
    vm = vm_of(engine, terminal, "held")
    before = vm.containers()
    for number in ("KILL", "TERM"):
        vm.end_engine(number)
        assert vm.containers() == before
    told = terminal.typed("job.exec", "held", "--", "touch", "told")
    terminal.ok("job.wait", "held")

    assert (entered.returncode, entered.stdout) == (7, every)
    first, work, job = entered.stderr.decode().splitlines()
    assert "until [ -e told ]" in first
    assert work.endswith("/work")
    assert job == "held"
    assert told.returncode == 0, told
    said = terminal.ok("job.logs", "held").splitlines()
    assert said == ["rehearsal | up", "rehearsal | told"]
    (task,) = status(terminal, "held")["tasks"]
    assert (task["attempts"], task["failures"], task["losses"]) == (1, 0, 0)


def test_a_chip_that_a_stranger_holds_has_its_slice_replaced(terminal, engine):
    start_held(terminal, "first")
    vm = vm_of(engine, terminal, "first")
    terminal.typed("job.exec", "first", "--", "touch", "told")
    terminal.ok("job.wait", "first")
    for index, minor in enumerate((7, 5, 8, 9)):  # devices that do nothing
        made = ("mknod", "-m", "666", f"/dev/accel{index}", "c", "1", str(minor))
        vm.run(*made)
        vm.run("docker", "exec", "iris-worker", *made)
    held = f"accel1 is held by sleep (pid {vm.hold('/dev/accel1')})"

    words = ("--tpu", "v5litepod-4", "--no-bundle", "--name", "second")
    terminal.ok("job.run", *words, "--", "true")
    eventually(lambda: held in terminal.ok("probe.why", "second"), within=LONG)
    terminal.ok("job.wait", "second")

    shown = status(terminal, "second")
    (task,), attempts = shown["tasks"], shown["attempts"]
    assert (task["failures"], task["losses"]) == (0, 1)
    assert [held in each["detail"] for each in attempts] == [True, False]
    first, second = (each["slice_name"] for each in attempts)
    assert first != second
    assert held in terminal.ok("probe.events")
    eventually(lambda: living(terminal, "slice") == [second], within=LONG)


@pytest.fixture
def broken(terminal, engine, image_by_part):
    """Another worker's image is locked, which ends at once; afterwards the former."""
    name = f"{emulator(terminal)['registry']}/{PLACE}:broken"
    image = BROKEN.format(image=image_by_part["worker"])
    engine.run("build", "--tag", name, "-", stdin=image, about="", deadline=LONG)
    engine.run("push", name, about="", deadline=LONG)
    digests = engine.images(name)[name].digests
    (digest,) = (d.partition("@")[2] for d in digests if d.startswith(name[:-7] + "@"))
    file = terminal.home / "images/contained.images.json"
    before = wire.decode(file.read_bytes(), ImageLock)
    worker = LockedImage(before.worker.name, "broken", digest)
    again = ("cluster.restart", "--config", str(terminal.folder / "contained.yaml"))
    write_lock(file, msgspec.structs.replace(before, worker=worker))
    terminal.ok(*again, within=LONGEST)
    yield
    write_lock(file, before)
    terminal.ok(*again, within=LONGEST)
    engine.try_("image", "rm", name)


def test_a_worker_that_does_not_come_up_says_its_last_words(terminal, broken):
    words = ("--tpu", "v5litepod-8", "--no-bundle", "--name", "waits")
    terminal.ok("job.run", *words, "--", "true")

    failed = "a boot failed: worker 0: the worker does not come up: "
    eventually(lambda: has_happened(terminal, failed + LAST_WORDS), within=LONG)
    (name, *_) = re.findall(r"contained-other-\w+", terminal.ok("probe.events"))
    said = terminal.ok("probe.bootstrap-logs", "--slice", name, "--worker", "0")
    terminal.ok("job.cancel", "waits")

    (line,) = [li for li in said.splitlines() if "container said" in li]
    assert LAST_WORDS in line
