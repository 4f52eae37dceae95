"""How much of each quota a project has; without a limit there is always enough."""

from __future__ import annotations

import msgspec

from iris.emulator.core import Core


class Limit(msgspec.Struct, frozen=True):
    """So much of a quota in a zone (CPUS: a region); an empty zone means every one."""

    project: str
    quota: str
    limit: int
    zone: str = ""


class Quota:
    """Limits that were set by the admin."""

    def __init__(self, core: Core) -> None:
        self._limits = core.shelf("quota", Limit)

    def set(self, limit: Limit) -> None:
        """From now on there is so much."""
        self._limits.put(f"{limit.project}/{limit.zone}/{limit.quota}", limit)

    def limit(self, project: str, zone: str, quota: str) -> int | None:
        """How much there is, None without a limit."""
        for place in (zone, ""):
            found = self._limits.find(f"{project}/{place}/{quota}")
            if found is not None:
                return found.limit
        return None
