"""How did the controller's machine boot, and each VM of a slice?"""

from __future__ import annotations

import msgspec

from iris.domain.views import SliceBoot
from iris.errors import IrisError, Late, NoCluster, NotThere, Unreachable
from iris.probes._patiently import patiently
from iris.remote.messages import Ran
from iris.remote.target import Target
from iris.session import LOOK, Session

# Where Google's agent, and so a startup script, leaves its words on a VM; then what
# the worker says, of whom the controller may have heard nothing either.
_CONSOLE = """
as=""; sudo -n true 2>/dev/null && as="sudo -n"
$as journalctl -u google-startup-scripts --no-pager -o cat -n {lines} 2>/dev/null ||
    tail -n {lines} /var/log/syslog
if $as docker inspect iris-worker >/dev/null 2>&1; then
    $as docker logs --tail {lines} iris-worker 2>&1 | sed "s/^/iris-worker: /"
fi
"""
CONNECT = 20.0  # seconds for SSH to the controller's machine


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
    if worker < 0 or not session.reach.has_ssh:
        with session.controller(LOOK) as client:
            return _told(client.slice_boot(name), worker)
    boot, target = _known(session, name, worker)
    if boot.phases:
        return BootLogs(slices=(boot,))
    target = target or _listed(session, name, worker)
    if target is None:
        return _told(boot, worker)
    return BootLogs(_console_of(session, target, lines))


def _told(boot: SliceBoot, worker: int) -> BootLogs:
    """What it said of itself: all of the slice, or one of its VMs."""
    if worker < 0:
        return BootLogs(slices=(boot,))
    mine = _of_vm(boot, worker)
    if mine.phases:
        return BootLogs(slices=(mine,))
    words = f"worker {worker} of {boot.slice_name} has reported nothing yet"
    return BootLogs(problem=words)


def _of_vm(boot: SliceBoot, worker: int) -> SliceBoot:
    phases = tuple(phase for phase in boot.phases if phase.index == worker)
    return SliceBoot(boot.slice_name, phases)


def _known(session: Session, name: str, worker: int) -> tuple[SliceBoot, Target | None]:
    """What the controller knows of a VM; nothing where it is away."""
    try:
        with session.controller(LOOK) as client:
            boot, workers = client.slice_boot(name), client.workers()
    except (NotThere, Late, NoCluster, Unreachable):
        return SliceBoot(name, ()), None
    there = [w for w in workers if (w.slice_name, w.index) == (name, worker)]
    target = session.reach.worker(there[0]) if there else None
    return _of_vm(boot, worker), target


def _listed(session: Session, name: str, worker: int) -> Target | None:
    """The SSH of a VM of which only the cloud knows, if it has an address."""
    listing = patiently(session.clock, session.provider.list_slices)
    slice_ = next((each for each in listing.slices if each.name == name), None)
    if slice_ is None:
        raise NotThere(
            f"there is no slice {name!r}, nor does the cloud list one",
            hint="See `inv probe.list-slices`.",
        )
    if not any(slice_.addresses[worker : worker + 1]):
        return None
    # of this very slice: a name may come again, a uid does not
    pin = f"{name}-{worker}.{slice_.uid}"
    return session.reach.vm(pin, slice_.addresses[worker])


def _console_of(session: Session, target: Target, lines: int) -> tuple[str, ...]:
    from iris.remote.shell import Shell

    def look() -> Ran:
        _lead_through(session, target)
        with Shell(target) as shell:
            return shell.run(_CONSOLE.format(lines=lines))

    ran = patiently(session.clock, look)
    return tuple(ran.out.decode(errors="replace").splitlines())


def _lead_through(session: Session, target: Target) -> None:
    """The way leads over the controller's machine, be the controller well or not."""
    machine = session.controller_machine() if target.through else None
    if machine is not None:
        reach = session.reach
        reach.tunnel.run(reach.destination(machine), "true", CONNECT)
