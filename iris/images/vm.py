"""What a VM boots from where VMs are containers: a small Debian with SSH and Docker."""

from __future__ import annotations

from collections.abc import Callable

from iris.images.base import make_base
from iris.images.engine import Engine

VM_IMAGE = "iris-vm:bookworm"
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
