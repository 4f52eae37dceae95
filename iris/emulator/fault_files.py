"""Fault plans in files: YAML, a list of faults, read strictly."""

from __future__ import annotations

from pathlib import Path

import msgspec

from iris.config.reading import read_yaml
from iris.emulator.faults import Fault
from iris.errors import BadClusterFile, UsageError


class _Plan(msgspec.Struct, forbid_unknown_fields=True):
    faults: tuple[Fault, ...]


def load_faults(path: Path) -> tuple[Fault, ...]:
    """The faults of a file. Raises UsageError."""
    try:
        raw = read_yaml(path.read_text(encoding="utf-8"), str(path))
        plan = msgspec.convert(raw if isinstance(raw, dict) else {"faults": raw}, _Plan)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except BadClusterFile as error:
        raise UsageError(error.message, error.hint) from error
    except (UnicodeDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error
    return plan.faults
