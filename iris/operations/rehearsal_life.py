"""The whole life of a cluster file on this machine: boot, work, a loss, the end.

All of it happens in a home of its own, of which nothing is left but the report.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from iris.clock import Clock, RealClock
from iris.errors import FellShort, IrisError, UsageError
from iris.operations import rehearsal_faults, rehearsal_home, rehearsed
from iris.operations.interrupts import Interrupts
from iris.operations.rehearsal_jobs import MOST_VMS
from iris.operations.rehearsal_report import Report, report_of
from iris.operations.rehearsal_steps import Life
from iris.operations.rehearsed import Circumstances
from iris.session import Session, open_session

Say = Callable[[str], None]


class Wanted(msgspec.Struct, frozen=True):
    """Which file is rehearsed, and under which circumstances."""

    config: str
    circumstances: Circumstances = Circumstances()
    seed: int = 0
    html: str = ""  # where the page goes
    wait: float = 900.0

    @property
    def validates(self) -> bool:
        """Faults strike the work that is made to survive them, not a validation."""
        given = self.circumstances
        return given.vms == "docker" and not given.faults


def plan_rehearsal(wanted: Wanted) -> tuple[str, ...]:
    """What `rehearse` would do."""
    session = _file_of(wanted)
    project, zones = rehearsed.places(session.config)
    kinds = [
        f"{group.vms} VMs of {group.accelerator or group.machine_type or 'plain VMs'}"
        for group in session.config.groups()
        if group.vms <= MOST_VMS
    ]
    file = wanted.circumstances.faults
    faults = rehearsal_faults.load_faults(file) if file else []
    return (
        f"start an emulator of project {project} in {', '.join(zones)}",
        *(f"plan the fault {fault.get('kind')}" for fault in faults),
        f"start cluster {session.cluster} in it",
        *(["validate a slice"] if wanted.validates else []),
        *(f"run a job on {kind}" for kind in dict.fromkeys(kinds)),
        "take a slice away while it works, and see the work begin again elsewhere",
        "clean up, and end the emulator with all in it",
        "write a report",
    )


def rehearse(wanted: Wanted, say: Say, clock: Clock | None = None) -> Report:
    """Live it; the report says what became of each promise."""
    clock = clock or RealClock()
    file = _file_of(wanted)
    rehearsed.require_vms(wanted.circumstances.vms)
    rehearsed.end_abandoned(say)
    began = clock.now()
    with Interrupts() as interrupts, rehearsal_home.private_home() as home:
        life = Life(file, home, say, clock, until=began + wanted.wait)
        try:
            _live(life, wanted)
        finally:
            interrupts.hold_off()
            life.end()
        facts = life.facts(began, wanted.seed)
    return report_of(facts)


def require_kept(report: Report) -> None:
    """Raise FellShort where a promise broke."""
    broken = [f"{p.name}: {p.words}" for p in report.promises if not p.is_kept]
    if broken:
        raise FellShort(
            f"the rehearsal of {report.cluster} broke a promise: {'; '.join(broken)}",
            hint=f"The same again: `inv rehearse --config {report.config_path} "
            f"--seed {report.seed}`.",
        )


def write_page(report: Report, wanted: Wanted) -> Path:
    """Write the report as one page; where it lies."""
    from iris.operations.rehearsal_page import page_of

    path = Path(wanted.html) if wanted.html else rehearsal_home.page_file(report)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page_of(report))
    return path.absolute()


def _live(life: Life, wanted: Wanted) -> None:
    try:
        life.boot(wanted.circumstances)
        if wanted.validates:
            life.validate()
        life.work()
        life.lose_a_slice(wanted.seed)
        life.finish_work()
    except UsageError:
        raise  # a fault that cannot be planned is no broken promise
    except IrisError as error:
        life.note_trouble(error)
    life.look_back()
    life.clean_up()


def _file_of(wanted: Wanted) -> Session:
    session = open_session(wanted.config or None)
    if session.config.provider.gcp is None:
        rehearsed.require_rehearsable(session)
    rehearsed.require_engines(session, wanted.circumstances.vms)
    return session
