"""What the commands of an emulator do: start it, make things go wrong, end it."""

from __future__ import annotations

from typing import Any

import msgspec

from iris.client import records
from iris.errors import UsageError
from iris.operations import rehearsal_faults, rehearsing
from iris.operations.rehearsed import (
    Circumstances,
    end_abandoned,
    forget_rehearsals,
    places,
    start_emulator,
)
from iris.operations.rehearsing import Rehearsal, Say, Wanted
from iris.session import open_session


class Injected(msgspec.Struct, frozen=True):
    """A fault that the emulator has planned."""

    id: int
    words: str


def start(
    config: str | None,
    say: Say,
    *,
    port: int = 0,
    given: Circumstances = Circumstances(),
) -> Rehearsal:
    """An emulator that runs; with a cluster file, one that has its project."""
    planned = rehearsal_faults.load_faults(given.faults) if given.faults else []
    project, zones = places(open_session(config).config) if config else ("", ("",))
    wanted = Wanted(project, zones[0], port, given.delays, given.vms)
    emulator = start_emulator(wanted, say)
    for zone in zones[1:]:
        emulator.admin.open_project(project, zone)
    rehearsal_faults.inject(emulator, planned)
    return rehearsing.shown(emulator)


def inject(
    words: dict[str, str], numbers: dict[str, float | None], file: str
) -> tuple[Injected, ...]:
    """Plan one fault, or those of a file. Raises NotThere, UsageError."""
    fault: dict[str, Any] = {key: value for key, value in words.items() if value}
    fault |= {key: value for key, value in numbers.items() if value is not None}
    if bool(file) == bool(fault):
        raise UsageError(
            "expected --kind KIND, or --faults FILE",
            hint="`inv rehearse.inject --kind preemption --name 'iris-eu-*'`",
        )
    faults = rehearsal_faults.load_faults(file) if file else [fault]
    ids = rehearsal_faults.inject(rehearsing.running(), faults)
    return tuple(
        Injected(id, ", ".join(f"{key} {value}" for key, value in fault.items()))
        for id, fault in zip(ids, faults, strict=True)
    )


def stop(say: Say) -> bool:
    """End the emulator, all in it, and the records of what was rehearsed in it."""
    is_ended = rehearsing.stop(say)
    forget_rehearsals(say)
    return end_abandoned(say) > 0 or is_ended


def plan_stop() -> tuple[str, ...]:
    """What `stop` would do."""
    found = rehearsing.find()
    ending = [f"end the emulator at {found.base_url}, and all in it"] if found else []
    rehearsed = [each.cluster for each in records.list_records() if each.rehearsal]
    return (*ending, *(f"forget cluster {name}" for name in rehearsed))
