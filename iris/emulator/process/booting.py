"""A VM's folder made ready, and what its programs find in their environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from iris.domain.endpoints import Endpoints
from iris.emulator.machines import Vm
from iris.emulator.process.inside import VARIABLE
from iris.emulator.process.metadata import PORT
from iris.emulator.process.standins import write_standins

_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def prepare(vm: Vm, folder: Path, disks: Path) -> None:
    """Its folder, its programs, its disks."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_standins(folder / "bin")
    (folder / "root" / "root").mkdir(parents=True, exist_ok=True)
    by_id = folder / "root" / "dev" / "disk" / "by-id"
    by_id.mkdir(parents=True, exist_ok=True)
    _unmount(folder)
    shutil.rmtree(folder / "root" / "run", ignore_errors=True)  # it is in memory
    for old in by_id.iterdir():
        old.unlink()
    for disk in vm.disks:
        if not disk.is_boot:
            content = disks / disk.id
            content.mkdir(mode=0o700, parents=True, exist_ok=True)
            (by_id / f"google-{disk.device_name}").symlink_to(content)


def environment_of(vm: Vm, folder: Path, endpoints: Endpoints) -> dict[str, str]:
    """What a program of the VM finds in its environment."""
    metadata = f"{vm.internal_ip}:{PORT}"
    root = folder / "root"
    variables = {
        "PATH": f"{folder / 'bin'}:{_SYSTEM}",
        "HOME": str(root / "root"),
        "LANG": "C.UTF-8",
        "IRIS_ROOT": str(root),
        "GCE_METADATA_HOST": metadata,
        "GCE_METADATA_IP": metadata,
        "GCE_METADATA_ROOT": metadata,
        VARIABLE: str(folder),
    }
    library = {k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH"}
    named = {k: v for k, v in endpoints.variables().items() if v}
    return {**library, **variables, **named}


def start_containers(environment: dict[str, str]) -> None:
    """The engine came up with the VM: containers restart as they were asked to."""
    words = ["docker", "boot-of-the-vm"]
    subprocess.run(words, env=environment, check=False, cwd="/")


def _unmount(folder: Path) -> None:
    """What was mounted before is not any more."""
    mounts = folder / "mounts"
    if mounts.exists():
        for target in map(Path, mounts.read_text().splitlines()):
            if target.is_symlink():
                target.unlink()
                target.with_name(f"{target.name}.below").rename(target)
        mounts.unlink()
