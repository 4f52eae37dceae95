"""A cluster file's text to ClusterConfig and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iris.config.checks import require_sound
from iris.config.model import ClusterConfig
from iris.config.reading import read_struct, read_yaml, write_struct
from iris.errors import BadClusterFile


def parse_config(text: str, source: str = "cluster file") -> ClusterConfig:
    """What the text describes. Raises BadClusterFile with one line."""
    raw = read_yaml(text, source)
    if raw is None:
        raise BadClusterFile(
            f"{source}: empty; expected at least name, provider and scale_groups",
            hint="examples/minimal.yaml is the smallest useful cluster file.",
        )
    return from_dict(raw, source)


def from_dict(raw: object, source: str = "cluster file") -> ClusterConfig:
    """What plain values describe. Raises BadClusterFile."""
    return require_sound(read_struct(ClusterConfig, raw, source), source)


def to_dict(config: ClusterConfig) -> dict[str, object]:
    """Plain values with every key that is set; `from_dict` gives the same back."""
    return write_struct(config)


def differences(old: ClusterConfig, new: ClusterConfig) -> tuple[str, ...]:
    """What changed between two cluster files: `PATH: OLD -> NEW` for each key."""
    before, after = dict(_leaves(to_dict(old))), dict(_leaves(to_dict(new)))
    return tuple(
        f"{path}: {before.get(path, 'unset')} -> {after.get(path, 'unset')}"
        for path in [*before, *(p for p in after if p not in before)]
        if before.get(path) != after.get(path)
    )


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if not isinstance(value, Mapping) or not value:
        yield path, value
        return
    for key, below in value.items():
        yield from _leaves(below, f"{path}/{key}" if path else str(key))
