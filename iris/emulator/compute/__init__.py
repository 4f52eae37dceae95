"""Compute Engine v1 of the emulator: VMs, disks, their operations."""
