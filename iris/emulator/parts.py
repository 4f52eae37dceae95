"""What the APIs of one emulator share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from iris.emulator.access import Access
from iris.emulator.core import Core
from iris.emulator.ledger import Ledger
from iris.emulator.projects import Projects
from iris.emulator.quota import Quota


@dataclass(frozen=True)
class Parts:
    """One emulator's parts; `strikes` are asked whenever a fault was injected."""

    core: Core
    access: Access
    ledger: Ledger
    quota: Quota
    projects: Projects
    strikes: list[Callable[[], None]] = field(default_factory=list)


def make_parts(core: Core) -> Parts:
    """The parts on a core."""
    return Parts(core, Access(core), Ledger(core), Quota(core), Projects(core))
