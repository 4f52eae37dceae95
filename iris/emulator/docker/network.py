"""A network of containers for each emulator: no way leads out of it."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from iris.emulator.process.network import Network
from iris.errors import OutOfCapacity
from iris.images.engine import Engine
from iris.images.vm import LABEL

TRIES = 50
_FIRST = "10.164"  # as the networks of Google's europe-west4 begin


class ContainerNetwork:
    """Addresses of VMs, in a bridge of the engine that has no gateway."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self._engine = engine
        self._own = Network(folder)  # 127.x.y.0/24: our own lock, and the places
        digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        self.name = f"iris-emulator-{digest}"
        self._folder = folder
        self.subnet = self._found() or self._made()

    @property
    def prefix(self) -> str:
        """`127.x.y`, where the emulator itself may listen."""
        return self._own.prefix

    def take(self, vm_id: str) -> tuple[str, str]:
        """An internal and an external address, the same again for the same VM."""
        ours = self._own.take(vm_id)
        internal, external = (self._inside(address) for address in ours)
        return internal, external

    def renew(self, vm_id: str) -> str:
        """Another external address, where one is free."""
        return self._inside(self._own.renew(vm_id))

    def has(self, address: str) -> bool:
        """Is it an address of this network?"""
        return address.rpartition(".")[0] == self.subnet

    def release(self, vm_id: str) -> None:
        """The addresses may be another's from now on."""
        self._own.release(vm_id)

    def close(self, *, for_good: bool) -> None:
        """Another emulator may take the place; for good: the bridge goes too."""
        if for_good:
            self._engine.try_("network", "rm", self.name)
        self._own.close()

    def _inside(self, address: str) -> str:
        return f"{self.subnet}.{address.rpartition('.')[2]}"

    def _found(self) -> str:
        shown = "{{(index .IPAM.Config 0).Subnet}}"
        said = self._engine.try_("network", "inspect", "--format", shown, self.name)
        return said.out.strip().rpartition(".")[0] if said.status == 0 else ""

    def _made(self) -> str:
        words = (
            "network",
            "create",
            "--internal",
            "--label",
            f"{LABEL}={self._folder}",
        )
        refusal = ""
        for _ in range(TRIES):
            subnet = f"{_FIRST}.{secrets.randbelow(256)}"
            # the bridge itself is .254, so that places of VMs stay free
            range_ = ("--subnet", f"{subnet}.0/24", "--gateway", f"{subnet}.254")
            said = self._engine.try_(*words, *range_, self.name)
            if said.status == 0:
                return subnet
            refusal = said.words
        raise OutOfCapacity(f"the engine has no network for the VMs: {refusal}")
