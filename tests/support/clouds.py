"""An emulator that ends and comes again while its VMs live on."""

from __future__ import annotations

from pathlib import Path

from tests.emulator.conftest import Cloud
from tests.support.fake_driver import FakeDriver


class Clouds:
    """One emulator after the other on the same folder, before the same driver."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.driver = FakeDriver()
        self.now = Cloud(folder, self.driver)

    def restart(self) -> Cloud:
        """The emulator ends, its VMs live on, another comes."""
        self.now.close()
        self.driver.calls.clear()
        self.now = Cloud(self._folder, self.driver)
        return self.now
