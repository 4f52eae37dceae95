"""How full the controller's state disk is, and what that means for what comes in."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from iris.domain.retention import words_of_size


class DiskLevel(StrEnum):
    """From which level on less is taken; each stands for the ones before it too."""

    ROOMY = "roomy"
    PRESSED = "pressed"  # over 90%: logs and outputs of ended jobs go
    TIGHT = "tight"  # over 97%: nothing new is accepted
    FULL = "full"  # over 99%: what is left is for State alone


# the percentage of the disk that has to be free
_LEAST_FREE = {DiskLevel.ROOMY: 10, DiskLevel.PRESSED: 3, DiskLevel.TIGHT: 1}


class DiskUse(msgspec.Struct, frozen=True):
    """What there is on the disk, for those who are not root."""

    total_bytes: int
    free_bytes: int

    @property
    def percent(self) -> float:
        """How much of it is used."""
        return 100.0 * (1.0 - self.free_bytes / max(self.total_bytes, 1))

    @property
    def level(self) -> DiskLevel:
        """What that means."""
        for level, percent in _LEAST_FREE.items():
            if self.free_bytes * 100 >= percent * self.total_bytes:
                return level
        return DiskLevel.FULL

    @property
    def missing_bytes(self) -> int:
        """How much more has to be free before it is roomy."""
        wanted = -(-self.total_bytes * _LEAST_FREE[DiskLevel.ROOMY] // 100)
        return max(wanted - self.free_bytes, 0)


_MEANS = {
    DiskLevel.ROOMY: "",
    DiskLevel.PRESSED: "logs and outputs of ended jobs go, the oldest first",
    DiskLevel.TIGHT: "submissions, bundles and secrets are refused",
    DiskLevel.FULL: "submissions are refused, and output of tasks is not kept",
}


def words_of_disk(use: DiskUse) -> str:
    """`the state disk is 92% full: 4 GB of 50 GB are free`, and what follows of it."""
    free, total = words_of_size(use.free_bytes), words_of_size(use.total_bytes)
    words = f"the state disk is {use.percent:.0f}% full: {free} of {total} are free"
    means = _MEANS[use.level]
    return f"{words}; {means}" if means else words
