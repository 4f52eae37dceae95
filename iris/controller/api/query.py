"""What many routes do with their parameters."""

from __future__ import annotations

from iris.domain.pages import DrainRequest
from iris.errors import UsageError

LONGEST_DEADLINE = 7 * 24 * 3600.0  # seconds
MOST_ITEMS = 1000
_MOST = 1 << 62


def limited(limit: int) -> int:
    """How many items a page has. Raises UsageError."""
    if not 1 <= limit <= MOST_ITEMS:
        raise UsageError(f"limit: expected 1 to {MOST_ITEMS}, got {limit}")
    return limit


def deadline_of(asked: DrainRequest | None) -> float | None:
    """Seconds from the signal to SIGKILL, if any were said. Raises UsageError."""
    deadline = asked.deadline if asked else None
    if deadline is not None and not 0 <= deadline <= LONGEST_DEADLINE:
        most = f"{LONGEST_DEADLINE:.0f}"
        raise UsageError(f"deadline: expected 0 to {most} seconds, got {deadline:.10g}")
    return deadline


def page_number(page: str, first: int) -> int:
    """Where a page begins; an empty one is the first. Raises UsageError."""
    if not page:
        return first
    if not (page.isascii() and page.isdecimal() and int(page[:20]) <= _MOST):
        raise UsageError(f"expected a whole number of 0 or more, got {page[:80]!r}")
    return int(page[:20])


def cursor_from(cursor: int) -> int:
    """A cursor or sequence number. Raises UsageError."""
    if not 0 <= cursor <= _MOST:
        raise UsageError(f"expected a cursor of 0 or more, got {cursor}")
    return cursor
