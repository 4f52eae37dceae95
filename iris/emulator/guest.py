"""What a VM's metadata server shows of it, and what its guest may ask there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from msgspec.structs import replace

from iris.emulator.faults import FaultKind, Faults
from iris.emulator.machines import Vm
from iris.emulator.process.kept import Kept
from iris.emulator.process.tree import Shown, Tree, tree_of

_PULLS = {
    FaultKind.PULL_DENIED: "pull access denied: Permission "
    '"artifactregistry.repositories.downloadArtifacts" denied on resource',
    FaultKind.PULL_FAILS: "received unexpected HTTP status: 503 Service Unavailable",
}


class Around(Protocol):
    """What it needs of the emulator."""

    @property
    def faults(self) -> Faults: ...
    @property
    def mint(self) -> Callable[[str, tuple[str, ...], str], tuple[str, float]]: ...


class Guest:
    """One VM as its own metadata server shows it."""

    def __init__(
        self, vm: Vm, kept: Kept, around: Around, changed: Callable[[], None]
    ) -> None:
        self.vm = vm
        self._kept = kept
        self._around = around
        self._changed = changed
        self._guard = threading.Lock()
        self._shown = Shown()

    def boot(self) -> None:
        """It comes up; what was announced meanwhile, or written once, stays."""
        with self._guard:
            self._shown = replace(self._shown, guest=self._kept.guest())

    def end(self) -> None:
        """It is off: what was announced is over."""
        with self._guard:
            self._shown = Shown()

    def update(self, vm: Vm) -> None:
        """Its metadata is another."""
        self.vm = vm
        self._changed()

    def preempt(self) -> None:
        """It is being taken back."""
        self._show(preempted=True)

    def maintain(self, event: str) -> None:
        """Something is done to the machine below it."""
        self._show(maintenance_event=event)

    @property
    def may_write(self) -> bool:
        """Has it guest attributes?"""
        return self.vm.attributes.get("enable-guest-attributes", "").upper() == "TRUE"

    def written(self) -> dict[str, dict[str, str]]:
        """What the guest wrote."""
        return {space: dict(of) for space, of in self._shown.guest.items()}

    # -- what a metadata server asks ---------------------------------------------------

    def tree(self) -> Tree:
        """As it is by now."""
        return tree_of(self.vm, self._shown)

    def write_guest(self, space: str, key: str, value: str) -> bool:
        """Keep a guest attribute, where the VM may have some."""
        if not self.may_write:
            return False
        with self._guard:
            guest = self.written()
            guest.setdefault(space, {})[key] = value
            self._kept.keep_guest(guest)
            self._shown = replace(self._shown, guest=guest)
        self._changed()
        return True

    def minted(self, scopes: tuple[str, ...]) -> dict[str, Any] | None:
        """A token of its service account, None where it has none."""
        if not self.vm.service_account:
            return None
        allowed = tuple(s for s in scopes if s in self.vm.scopes) or self.vm.scopes
        token, life = self._around.mint(
            self.vm.service_account, allowed, self.vm.project
        )
        return {
            "access_token": token,
            "expires_in": int(life),
            "token_type": "Bearer",
        }

    def is_away(self) -> bool:
        """Is the metadata server unavailable just now?"""
        kind = FaultKind.METADATA_UNAVAILABLE
        return self._take(kind, api="metadata") is not None

    def pulled(self, image: str) -> str:
        """Why an image cannot be pulled, empty if it can."""
        fault = self._take(*_PULLS, api="docker")
        return f"{_PULLS[fault]} {image}" if fault else ""

    def _take(self, *kinds: FaultKind, api: str) -> FaultKind | None:
        fault = self._around.faults.take(
            *kinds,
            api=api,
            zone=self.vm.zone,
            type=self.vm.machine_type,
            name=self.vm.name,
        )
        return fault.kind if fault else None

    def _show(self, **changes: Any) -> None:
        with self._guard:
            self._shown = replace(self._shown, **changes)
        self._changed()
