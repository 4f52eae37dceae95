"""VMs that are folders and processes of this machine, each at an address of its own."""

from iris.emulator.process.driver import ProcessDriver

__all__ = ["ProcessDriver"]
