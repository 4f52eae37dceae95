"""What a VM's folder remembers for the next life of the emulator."""

from __future__ import annotations

from pathlib import Path

import msgspec

from iris.files import write_private
from iris.providers._processes import boot

Guest = dict[str, dict[str, str]]


class Kept:
    """One VM's."""

    def __init__(self, folder: Path) -> None:
        self._booted = folder / "booted"
        self._guest = folder / "guest.json"

    @property
    def has_booted(self) -> bool:
        """Did it come up in this life of the machine, and was not ended since?"""
        try:
            return self._booted.read_text() == boot()
        except FileNotFoundError:
            return False

    def say_booted(self) -> None:
        """Its startup script was started."""
        self._booted.write_text(boot())

    def say_ended(self) -> None:
        """It is off."""
        self._booted.unlink(missing_ok=True)

    def guest(self) -> Guest:
        """What the guest wrote."""
        try:
            return msgspec.json.decode(self._guest.read_bytes(), type=Guest)
        except FileNotFoundError:
            return {}

    def keep_guest(self, guest: Guest) -> None:
        """Remember it."""
        write_private(self._guest, msgspec.json.encode(guest))
