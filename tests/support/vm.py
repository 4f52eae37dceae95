"""One VM as real processes: its folder, its keeper, the controller that it finds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil

from iris.domain.machine import AddressFile, VmMetadata
from iris.domain.protocol import AttemptReport
from iris.domain.resources import Resources
from iris.processes import send, with_variables
from tests.support.eventually import eventually
from tests.support.fake_controller import UID, FakeController

PYTHON = sys.executable
# What every VM is told; where its controller is stands in a file, or beside it.
TOLD: dict[str, object] = {
    "cluster": "test",
    "cluster_uid": UID,
    "slice_name": "slice",
    "slice_uid": "s-1",
    "index": 0,
    "vms": 1,
    "address": "127.0.0.1",
    "resources": Resources(cpus=4),
    "runtime": "process",
    "controller_url": "",
    "join_token": "join-token",
}


class Vm:
    """A folder and a keeper; nothing of it lives after `close`."""

    def __init__(
        self, root: Path, *, told_by_cloud: bool = False, **told: object
    ) -> None:
        self.root = root
        self._told = told  # beside what every VM is told
        self.machine: Path | None = None  # a machine's root, where it has one
        if (root.parent / "dev").is_dir():
            self.machine = root.parent
        self.controller = FakeController()
        root.mkdir(parents=True)
        if not told_by_cloud:
            self.say_where(self.controller)
            self.tell()
        self.keeper = self.start_keeper()

    def tell(self, **changes: object) -> None:
        """Write what the VM is told about itself."""
        where = {
            "controller_file": str(self.root / "address.json"),
            "path_prefix": str(Path(PYTHON).parent),
        }
        told = TOLD | where | self._told | changes
        metadata = VmMetadata(**told)  # type: ignore[arg-type]  # as a test wants it
        (self.root / "metadata.json").write_bytes(msgspec.json.encode(metadata))

    def say_where(self, controller: FakeController) -> None:
        """Write where the controller listens, as it does itself."""
        address = AddressFile(controller.url, os.getpid(), UID)
        fresh = self.root / "address.new"
        fresh.write_bytes(msgspec.json.encode(address))
        fresh.replace(self.root / "address.json")

    def start_keeper(self) -> subprocess.Popen[bytes]:
        """Another keeper; the first is there from the start."""
        env, place = os.environ | {"IRIS_VM": str(self.root)}, str(self.root)
        if self.machine is not None:
            env["IRIS_ROOT"] = str(self.machine)
            place = f"/{self.root.name}"
        with (self.root / "keeper.log").open("ab") as log:
            return subprocess.Popen(
                [PYTHON, "-m", "iris.worker", "--vm", place],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                start_new_session=True,
            )

    def ended(self, uid: str, within: float = 30.0) -> AttemptReport:
        """How an attempt ended, once the controller has heard it, and its output."""
        return eventually(lambda: self.controller.has_ended(uid), within=within)

    def is_running(self, uid: str) -> None:
        """Wait until the controller has heard that it runs."""
        eventually(lambda: self.controller.state(uid) == "running")

    def pids(self) -> list[int]:
        """Every process of this VM."""
        return list(with_variables(IRIS_VM=str(self.root)))

    def pids_of(self, uid: str) -> list[int]:
        """Every process of an attempt."""
        return list(with_variables(IRIS_VM=str(self.root), IRIS_ATTEMPT_UID=uid))

    def running(self, *words: str) -> list[int]:
        """Every process with exactly this command line."""
        return [p.pid for p in psutil.process_iter() if _words(p) == list(words)]

    def agent(self) -> int:
        """The agent's pid."""
        children = psutil.Process(self.keeper.pid).children()
        agents = [c.pid for c in children if "iris.worker.agent" in _words(c)]
        return agents[0] if agents else 0

    def agent_after(self, former: int) -> int:
        """The agent that its keeper started after that one."""
        return eventually(lambda: self.agent() not in (0, former) and self.agent())

    def log(self) -> str:
        """What keeper and agents wrote."""
        return (self.root / "keeper.log").read_text()

    def close(self) -> None:
        self.keeper.kill()
        self.keeper.wait()
        while left := self.pids():
            for pid in left:
                send(pid)
        self.controller.close()
        shutil.rmtree(self.root)  # outputs are large


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
