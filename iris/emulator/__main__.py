"""The emulator's program: Google Cloud on this machine until a signal ends it.

    python -m iris.emulator --folder DIR [--port N] [--delays google] [--faults FILE]
        [--vms docker]

DIR/emulator.json says where it answers, once it does. The end of this process ends no
VM, unless the admin side was told so first. Exit status: 0 stopped, 1 failed, 2 usage.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from iris import wire
from iris.clock import RealClock
from iris.domain.endpoints import Endpoints
from iris.emulator.app import create_app
from iris.emulator.core import GOOGLE, Core, Delays
from iris.emulator.fault_files import load_faults
from iris.emulator.parts import make_parts
from iris.emulator.process.driver import ProcessDriver
from iris.emulator.project_metadata import ProjectMetadata
from iris.emulator.server import HttpServer
from iris.errors import Held, IrisError
from iris.files import make_private, write_private
from iris.processes import started_at
from iris.structs import learn_all

if TYPE_CHECKING:
    from iris.emulator.docker.driver import DockerDriver

MOST_PORT = 65535
_ENDS = (signal.SIGTERM, signal.SIGINT)
_DELAYS = {"none": Delays(), "google": GOOGLE}


class EmulatorFile(msgspec.Struct, frozen=True, kw_only=True):
    """Where an emulator answers, and which process it is."""

    pid: int
    began: float
    compute_url: str
    tpu_url: str
    metadata_url: str
    admin_url: str
    project: str
    zone: str
    base_url: str
    ssh_port: int
    vms: str  # what they are: process, docker
    registry: str  # where images are pushed to, empty where none are pulled


def main(words: list[str] | None = None) -> int:
    """Run one emulator; returns the exit status."""
    given = _read_words(words)
    for number in _ENDS:  # until it serves, an end unwinds what was begun
        signal.signal(number, signal.default_int_handler)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        make_private(given.folder)
        with (given.folder / "lock").open("w") as lock:
            _hold(lock.fileno(), given.folder)
            _serve(given)
    except IrisError as error:
        hint = f" ({error.hint})" if error.hint else ""
        sys.stderr.write(f"iris.emulator: {error}{hint}\n")
        return error.exit_status
    except KeyboardInterrupt:
        return 1
    return 0


def _serve(given: argparse.Namespace) -> None:
    clock = RealClock()
    faults = load_faults(given.faults) if given.faults else ()
    driver = _driver(given, clock)
    learn_all()
    core = Core(given.folder, clock, driver, _DELAYS[given.delays])
    parts = make_parts(core)
    # the port of last time: VMs that live on know it
    urls: list[str] = []
    driver.connect(
        faults=core.faults,
        endpoints=lambda: Endpoints(urls[0], urls[0], urls[0]),
        mint=parts.access.mint,
        may_pull=parts.access.is_valid,
    )
    server = HttpServer(_Waiting(), given.port or _former_port(given.folder))
    urls.append(f"http://127.0.0.1:{server.port}")
    server.serve_with(create_app(parts))
    for fault in faults:
        core.faults.inject(fault)
        for strike in parts.strikes:
            core.later.after(fault.after, strike)
    own = ProjectMetadata(
        parts, f"{driver.network.prefix}.1", given.project, given.zone
    )
    server.start()
    _say_where(given, driver, urls[0], own.url)
    _wait_for_a_signal()
    server.stop()
    own.close()
    driver.close(end_all=False)
    core.close()


def _driver(
    given: argparse.Namespace, clock: RealClock
) -> ProcessDriver | DockerDriver:
    if given.vms == "docker":
        from iris.emulator.docker.driver import DockerDriver

        return DockerDriver(given.folder, clock, logging.info)
    return ProcessDriver(given.folder, clock)


class _Waiting:
    """No application yet; the port is known before there is one."""


def _read_words(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m iris.emulator", description="Google Cloud on this machine."
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--project", default="iris-rehearsal")
    parser.add_argument("--zone", default="europe-west4-b")
    parser.add_argument("--port", type=_port, default=0)
    parser.add_argument("--delays", choices=sorted(_DELAYS), default="none")
    parser.add_argument("--vms", choices=("process", "docker"), default="process")
    parser.add_argument("--faults", type=Path)
    given = parser.parse_args(words)
    given.folder = given.folder.absolute()
    return given


def _port(words: str) -> int:
    port = int(words)
    if not 0 <= port <= MOST_PORT:
        raise argparse.ArgumentTypeError(f"expected 0 to {MOST_PORT}, got {port}")
    return port


def _hold(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Held(f"{folder} has an emulator already") from error


def _former_port(folder: Path) -> int:
    try:
        former = wire.decode((folder / "emulator.json").read_bytes(), EmulatorFile)
    except (OSError, IrisError):
        return 0
    return int(former.base_url.rpartition(":")[2])


def _say_where(
    given: argparse.Namespace,
    driver: ProcessDriver | DockerDriver,
    url: str,
    metadata_url: str,
) -> None:
    said = EmulatorFile(
        pid=os.getpid(),
        began=started_at(os.getpid()) or 0.0,
        compute_url=f"{url}/compute/v1/",
        tpu_url=f"{url}/",
        metadata_url=metadata_url,
        admin_url=f"{url}/admin/",
        project=given.project,
        zone=given.zone,
        base_url=url,
        ssh_port=driver.ssh_port,
        vms=given.vms,
        registry=driver.registry,
    )
    write_private(given.folder / "emulator.json", wire.encode(said))


def _wait_for_a_signal() -> None:
    reader, writer = os.pipe()

    def wake(_number: int, _frame: object) -> None:
        os.write(writer, b"x")

    for number in _ENDS:
        signal.signal(number, wake)
    os.read(reader, 1)


if __name__ == "__main__":
    sys.exit(main())
