"""Where things lie: a person's records and cache, and what travels with Iris."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def iris_home(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of a person's records: `$IRIS_HOME`, or `~/.iris`."""
    named = environment.get("IRIS_HOME", "")
    return Path(named).expanduser().absolute() if named else Path.home() / ".iris"


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """What can be made again: `$XDG_CACHE_HOME/iris`, or `~/.cache/iris`."""
    named = environment.get("XDG_CACHE_HOME", "")
    return (Path(named) if named.startswith("/") else Path.home() / ".cache") / "iris"


def examples_folder() -> Path:
    """Cluster files and jobs to start from."""
    return shipped_folder("examples")


def bootstrap_folder() -> Path:
    """The scripts that a fresh VM runs."""
    return shipped_folder("bootstrap")


def shipped_folder(name: str) -> Path:
    """A folder inside the package where Iris is installed, beside it in a checkout."""
    inside = _PACKAGE / "shipped" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def machine_path(path: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """An absolute path of a VM, under `$IRIS_ROOT` where a VM is only a folder."""
    root = environment.get("IRIS_ROOT", "")
    return Path(root) / path.relative_to("/") if root else path
