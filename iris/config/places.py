"""Single values of a cluster file, replaced in its text; all else stays as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from iris.config.reading import read_yaml

_LOADER: Any = yaml.SafeLoader  # whose marks count characters


def replace_values(text: str, values: Mapping[tuple[str, ...], str]) -> str:
    """The text with each value at its path replaced; one that is not there is left."""
    read_yaml(text, "cluster file")  # sound, and no deeper than we go
    root = yaml.compose(text, Loader=_LOADER)
    spots = []
    for path, value in values.items():
        found = _find(root, path)
        if found is not None:
            spots.append((found.start_mark.index, found.end_mark.index, value))
    for start, end, value in sorted(spots, reverse=True):
        text = f"{text[:start]}{value}{text[end:]}"
    return text


def _find(part: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if part is None or part.id != "mapping":
            return None
        below = {key.value: value for key, value in part.value if key.id == "scalar"}
        part = below.get(name)
    return part if part is not None and part.id == "scalar" else None
