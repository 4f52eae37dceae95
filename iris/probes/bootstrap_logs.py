"""How far did the boot of a slice come, phase by phase?"""

from __future__ import annotations

from iris.domain.views import SliceBoot
from iris.session import LOOK, Session


def ask(session: Session, slice_name: str = "") -> tuple[SliceBoot, ...]:
    """The phases that its VMs reported; of all slices where none is named."""
    with session.controller(LOOK) as client:
        names = [slice_name] if slice_name else [s.name for s in client.slices()]
        return tuple(client.slice_boot(name) for name in names)
