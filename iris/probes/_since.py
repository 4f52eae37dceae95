"""How long ago, as a flag of probes says it."""

from __future__ import annotations

from iris.config.kinds import Refused
from iris.config.measures import Duration
from iris.errors import UsageError


def seconds_of(words: str) -> float:
    """`10m` of `--since` in seconds. Raises UsageError."""
    try:
        return Duration().read(words)
    except Refused as error:
        raise UsageError(
            f"--since: expected {Duration().expected}, got {words!r}"
        ) from error
