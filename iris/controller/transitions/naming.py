"""Names of jobs: many may ask for one, each gets its own."""

from __future__ import annotations

from collections.abc import Callable


def free_name(wanted: str, is_taken: Callable[[str], bool]) -> str:
    """The name itself, or with a number of which the one before is taken.

    Takes log(n) questions where n jobs have the name: thousands are submitted at once.
    """
    free = 1
    while is_taken(_numbered(wanted, free)):
        free *= 2
    taken = free // 2
    while free - taken > 1:
        middle = (free + taken) // 2
        if is_taken(_numbered(wanted, middle)):
            taken = middle
        else:
            free = middle
    return _numbered(wanted, free)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
