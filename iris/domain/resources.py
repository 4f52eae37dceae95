"""How much of a machine something needs or has."""

from __future__ import annotations

import msgspec


class Resources(msgspec.Struct, frozen=True, gc=False):
    """CPUs (may be fractions), memory in bytes, TPU chips."""

    cpus: float = 0.0
    memory_bytes: int = 0
    chips: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.cpus + other.cpus,
            self.memory_bytes + other.memory_bytes,
            self.chips + other.chips,
        )

    def __sub__(self, other: Resources) -> Resources:
        return Resources(
            self.cpus - other.cpus,
            self.memory_bytes - other.memory_bytes,
            self.chips - other.chips,
        )

    def times(self, count: int) -> Resources:
        """What `count` of these need together."""
        return Resources(
            self.cpus * count, self.memory_bytes * count, self.chips * count
        )

    def is_within(self, other: Resources) -> bool:
        """May this be taken out of `other`?"""
        return self.copies_within(other) > 0

    def copies_within(self, other: Resources) -> int:
        """How many of these fit into `other` at once (a need of nothing: a million)."""
        copies = 1_000_000
        if self.cpus > 0:
            # fractions of a CPU add up with rounding errors of about 1e-15
            copies = min(copies, int((other.cpus + 1e-9) // self.cpus))
        if self.memory_bytes > 0:
            copies = min(copies, other.memory_bytes // self.memory_bytes)
        if self.chips > 0:
            copies = min(copies, other.chips // self.chips)
        return max(copies, 0)


NOTHING = Resources()


class UserLimits(msgspec.Struct, frozen=True):
    """How much one user may have at once; 0 is no limit."""

    chips: int = 0  # of TPU, held by attempts
    running_tasks: int = 0  # attempts, from their assignment on
    pending_tasks: int = 0  # tasks that wait; more are not accepted
