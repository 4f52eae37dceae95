"""What one seed of the simulation came to, as its process tells it."""

from __future__ import annotations

import msgspec


class SeedResult(msgspec.Struct, frozen=True):
    """How one seed did; the same for the same seed, but for `cpu_seconds`."""

    seed: int
    days: float
    is_kept: bool  # every promise was
    digest: str  # of the whole trace
    steps: int
    jobs: int
    attempts: int
    slices: int
    crashes: int  # of the controller
    settled_after: float  # seconds of the quiet tail until all work had ended
    cpu_seconds: float
    broken: str = ""  # the promise, and how
    broken_at: str = ""  # virtual time
    trace: tuple[str, ...] = ()  # its last lines, all of them if asked for
