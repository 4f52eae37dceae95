"""How did the controller's machine boot, and each VM of a slice?"""

from __future__ import annotations

import msgspec

from iris.domain.views import SliceBoot, WorkerView
from iris.errors import IrisError
from iris.probes._patiently import patiently
from iris.session import LOOK, Session

# Where Google's agent, and so a startup script, leaves its words on a VM.
_CONSOLE = (
    "journalctl -u google-startup-scripts --no-pager -o cat -n {lines} 2>/dev/null"
    " || tail -n {lines} /var/log/syslog"
)


class BootLogs(msgspec.Struct, frozen=True):
    """The controller's console, and what VMs reported step by step."""

    console: tuple[str, ...] = ()
    slices: tuple[SliceBoot, ...] = ()
    problem: str = ""  # why something is missing here


def ask(
    session: Session, *, slice: str = "", worker: int = -1, lines: int = 200
) -> BootLogs:
    """The controller's and all slices'; of one slice or VM, where one is named."""
    if slice:
        return _of_slice(session, slice, worker, lines)
    console = patiently(session.clock, session.provider.read_boot_log)
    try:
        with session.controller(LOOK) as client:
            boots = tuple(client.slice_boot(each.name) for each in client.slices())
    except IrisError as error:
        return BootLogs(tuple(console.splitlines()[-lines:]), problem=error.message)
    return BootLogs(tuple(console.splitlines()[-lines:]), boots)


def _of_slice(session: Session, name: str, worker: int, lines: int) -> BootLogs:
    with session.controller(LOOK) as client:
        boot = client.slice_boot(name)
        there = [each for each in client.workers() if each.slice_name == name]
    if worker < 0:
        return BootLogs(slices=(boot,))
    mine = tuple(phase for phase in boot.phases if phase.index == worker)
    if mine:
        return BootLogs(slices=(SliceBoot(name, mine),))
    for each in there:
        if each.index == worker and session.reach.has_ssh:
            return BootLogs(_console_of(session, each, lines))
    return BootLogs(problem=f"worker {worker} of {name} has reported nothing yet")


def _console_of(session: Session, worker: WorkerView, lines: int) -> tuple[str, ...]:
    from iris.remote.shell import Shell

    with Shell(session.reach.worker(worker)) as shell:
        ran = shell.run(_CONSOLE.format(lines=lines))
    return tuple(ran.out.decode(errors="replace").splitlines())
