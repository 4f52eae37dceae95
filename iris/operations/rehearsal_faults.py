"""Faults as a person plans them: those of a file, or one by flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iris.errors import BadClusterFile, UsageError
from iris.operations.rehearsing import Emulator


def inject(emulator: Emulator, faults: list[dict[str, Any]]) -> tuple[int, ...]:
    """Plan faults, all of a file or one of flags. Raises UsageError."""
    admin = emulator.admin
    return tuple(admin.inject(fault) for fault in faults)


def load_faults(file: str) -> list[dict[str, Any]]:
    """The faults of a file, found as given, then in examples/faults."""
    from iris.config.reading import read_yaml
    from iris.paths import examples_folder

    given = Path(file).expanduser()
    places = (given, examples_folder() / "faults" / given, examples_folder() / given)
    path = next((each for each in places if each.is_file()), None)
    if path is None:
        known = ", ".join(p.name for p in sorted(places[1].parent.glob("*.yaml")))
        raise UsageError(f"{file}: no such file", hint=f"Examples: {known}.")
    try:
        read = read_yaml(path.read_text(encoding="utf-8"), str(path))
    except BadClusterFile as error:
        raise UsageError(error.message, error.hint) from error
    except (UnicodeDecodeError, OSError) as error:
        words = " ".join(str(error).split())
        raise UsageError(f"{path}: not YAML: {words}") from error
    faults = read.get("faults") if isinstance(read, dict) else read
    if not isinstance(faults, list) or not all(isinstance(f, dict) for f in faults):
        raise UsageError(
            f"{path}: expected a list of faults under `faults:`",
            hint="See examples/faults/stockout.yaml.",
        )
    return faults
