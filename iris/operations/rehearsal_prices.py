"""What the resources of a ledger cost an hour, by the dated list of prices."""

from __future__ import annotations

from collections.abc import Sequence

from iris.client.admin import Resource
from iris.operations.rehearsal_report import Price


def prices_of(resources: Sequence[Resource]) -> dict[str, Price]:
    """Of each that has a price."""
    return {}
