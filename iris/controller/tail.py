"""The end of a text file, by lines or from a cursor on."""

from __future__ import annotations

import os
from pathlib import Path

from iris.domain.pages import TextPage

MOST_BYTES = 1 << 20  # of one page


def read_tail(path: Path, since: int | None, lines: int | None) -> TextPage:
    """The last `lines` whole lines, or the first ones behind the byte `since`."""
    if not path.exists():
        return TextPage((), 0)
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        begin = max(size - MOST_BYTES, 0) if since is None else min(since, size)
        file.seek(begin)
        block = file.read(MOST_BYTES)
    whole = block[: block.rfind(b"\n") + 1]
    found = whole.decode(errors="replace").splitlines()
    if lines is not None:
        found = found[-lines:]
    return TextPage(tuple(found), begin + len(whole))
