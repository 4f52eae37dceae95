"""A network of its own for each emulator: 127.x.y.0/24, locked by the kernel."""

from __future__ import annotations

import secrets
import socket
import threading
from pathlib import Path

import msgspec

from iris.errors import Held, OutOfCapacity
from iris.files import write_private

LOCK_PORT = 47471
FIRST_INTERNAL, FIRST_EXTERNAL = 2, 130
MOST = 124  # VMs of one network
TRIES = 200


class _Kept(msgspec.Struct):
    """What outlives the emulator: VMs keep their addresses."""

    network: str  # "127.x.y"
    place_by_vm: dict[str, int] = {}
    outside_by_vm: dict[str, int] = {}  # the place of its external address


class Network:
    """Addresses of VMs; two emulators never have the same."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "network.json"
        self._lock = threading.Lock()
        former = self._former()
        if former and not former.place_by_vm:
            former = former if _is_free(former.network) else None
        self._socket, network = _taken(former.network if former else "")
        self._kept = former or _Kept(network)
        self._save()

    @property
    def prefix(self) -> str:
        """`127.x.y`."""
        return self._kept.network

    def take(self, vm_id: str) -> tuple[str, str]:
        """An internal and an external address, the same again for the same VM."""
        with self._lock:
            places = self._kept.place_by_vm
            if vm_id not in places:
                free = set(range(MOST)) - set(places.values())
                if not free:
                    raise OutOfCapacity(f"the network has {MOST} VMs, and no more room")
                places[vm_id] = min(free)
                self._kept.outside_by_vm[vm_id] = min(self._free_outside())
                self._save()
            place, outside = places[vm_id], self._kept.outside_by_vm[vm_id]
        internal = f"{self.prefix}.{FIRST_INTERNAL + place}"
        return internal, f"{self.prefix}.{FIRST_EXTERNAL + outside}"

    def renew(self, vm_id: str) -> str:
        """Another external address, as a VM has after it was off, where one is free."""
        with self._lock:
            outside = self._kept.outside_by_vm
            free = self._free_outside()
            if vm_id in outside and free:
                outside[vm_id] = min(free)
                self._save()
        return self.take(vm_id)[1]

    def release(self, vm_id: str) -> None:
        """The addresses may be another's from now on."""
        with self._lock:
            self._kept.outside_by_vm.pop(vm_id, None)
            if self._kept.place_by_vm.pop(vm_id, None) is not None:
                self._save()

    def close(self) -> None:
        """Another emulator may take the network."""
        self._socket.close()

    def _free_outside(self) -> set[int]:
        return set(range(MOST)) - set(self._kept.outside_by_vm.values())

    def _former(self) -> _Kept | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError):
            return None

    def _save(self) -> None:
        write_private(self._file, msgspec.json.encode(self._kept))


def _taken(network: str) -> tuple[socket.socket, str]:
    """The lock of a network: the one of before, else any that is free."""
    if network:
        lock = _locked(network)
        if lock is None:
            raise Held(f"another emulator has the network {network}.0/24")
        return lock, network
    for _ in range(TRIES):
        name = f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}"
        lock = _locked(name)
        if lock is not None:
            return lock, name
    raise OutOfCapacity("no network of 127.0.0.0/8 is free")


def _is_free(network: str) -> bool:
    lock = _locked(network)
    if lock is not None:
        lock.close()
    return lock is not None


def _locked(network: str) -> socket.socket | None:
    lock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        lock.bind((f"{network}.1", LOCK_PORT))
    except OSError:
        lock.close()
        return None
    return lock
