"""Fault plans in files: YAML, a list of faults, read strictly."""

from __future__ import annotations

from pathlib import Path

import msgspec
import yaml

from iris.emulator.faults import Fault
from iris.errors import UsageError


class _Plan(msgspec.Struct, forbid_unknown_fields=True):
    faults: tuple[Fault, ...]


def load_faults(path: Path) -> tuple[Fault, ...]:
    """The faults of a file. Raises UsageError."""
    try:
        raw = yaml.safe_load(path.read_text())
        plan = msgspec.convert(raw if isinstance(raw, dict) else {"faults": raw}, _Plan)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error
    return plan.faults
