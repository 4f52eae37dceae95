"""Where a link of a bundle leads, told from its text alone."""

from __future__ import annotations

import os
import tarfile


def stays_inside(entry: tarfile.TarInfo) -> bool:
    """Does the link's text alone stay below the top, wherever that is?"""
    target = entry.linkname
    joined = os.path.normpath(os.path.join(os.path.dirname(entry.name), target))
    return not os.path.isabs(target) and joined.split(os.sep)[0] != ".."
