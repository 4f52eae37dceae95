"""What a VM boots from where VMs are containers: a small Debian with SSH and Docker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from iris.clock import Clock
from iris.errors import EngineFailed
from iris.images.base import make_base
from iris.images.engine import Engine
from iris.images.loops import release_loop_device
from iris.images.registry import LocalRegistry

LABEL = "iris-emulator"  # of containers and networks: the folder of whose they are
# A folder that all VMs of an emulator have: `SHARED` inside, where a worker's container
# has it too, and those of attempts; `SHARED_NAME` below the emulator's folder outside.
SHARED, SHARED_NAME = "/var/cache/iris/vm/cache/shared/rehearsal", "shared"
VM_IMAGE = "iris-vm:bookworm"
CHANGE_DEADLINE = 120.0  # seconds; a busy disk takes its time over a VM's many files
PACKAGES = (
    "ca-certificates",
    "curl",
    "docker.io",
    "e2fsprogs",
    "iproute2",
    "iptables",
    "kmod",
    "openssh-server",
    "procps",
    "sudo",
)


def ensure_vm_image(engine: Engine, say: Callable[[str], None]) -> None:
    """Make it where the engine has none. Raises NotFound, EngineFailed."""
    make_base(engine, say, name=VM_IMAGE, packages=PACKAGES)


def containers_of(engine: Engine, folder: str) -> list[str]:
    """The VMs of an emulator, whether they run or not."""
    wanted = f"label={LABEL}={folder}"
    return engine.try_("ps", "--all", "--quiet", "--filter", wanted).out.split()


def remove_container(engine: Engine, container: str) -> None:
    """It goes, with what its engine kept; absence is success. Raises EngineFailed."""
    words = ("rm", "--force", "--volumes", container)
    engine.try_(*words, deadline=CHANGE_DEADLINE)


def end_vms(engine: Engine, folder: Path, clock: Clock) -> None:
    """What an emulator left that was killed: VMs, network, disks, registry.

    Raises EngineFailed for a VM that does not go, once all else that can is gone.
    """
    late: list[EngineFailed] = []
    for container in containers_of(engine, str(folder)):
        try:
            remove_container(engine, container)
        except EngineFailed as error:
            late.append(error)
    wanted = f"label={LABEL}={folder}"
    for name in engine.try_("network", "ls", "--quiet", "--filter", wanted).out.split():
        engine.try_("network", "rm", name)
    for disk in (folder / "disks").glob("*"):
        release_loop_device(disk)
    LocalRegistry(clock, folder / "registry").end_former()
    if late:
        raise late[0]
