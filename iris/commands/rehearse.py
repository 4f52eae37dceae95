"""Rehearses a production cluster file on this machine: no account, no cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.context import Context

from iris.commands._edge import DRY_RUN, JSON, command, seconds, show, tell
from iris.commands._marks import mark_lines

if TYPE_CHECKING:
    from iris.operations.rehearsing import Rehearsal

DELAYS = {"delays": "none, or google: as long as Google Cloud takes."}
FILE = {"config": "The cluster file; found as given, then in examples/."}
VMS = {"vms": "process, or docker: containers that run the real images."}
FAULTS = {"faults": "A file of faults; found as given, then in examples/faults/."}


@command(
    default=True,
    help=JSON
    | DRY_RUN
    | DELAYS
    | FILE
    | FAULTS
    | VMS
    | {
        "seed": "Chooses what is taken away, and when; the same again for the same.",
        "html": "Where the report is written; else below $IRIS_HOME/rehearsals.",
        "wait-timeout": "How long the whole may take, such as 20m.",
    },
)
def run(
    c: Context,
    config: str | None = None,
    delays: str = "none",
    faults: str = "",
    vms: str = "process",
    seed: int = 0,
    html: str = "",
    wait_timeout: str = "15m",
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Live the whole life of a cluster file: boot, jobs, a loss, the end; a report."""
    from iris.commands import _rehearsal
    from iris.operations import rehearsal_life as operation
    from iris.operations.rehearsed import Circumstances

    mark_lines(of_a_rehearsal=True)
    wait = seconds(wait_timeout) or 0.0
    given = Circumstances(delays, faults, vms)
    wanted = operation.Wanted(config or "", given, seed, html, wait)
    if dry_run:
        steps = operation.plan_rehearsal(wanted)
        return show(steps, "\n".join(f"would {step}" for step in steps), as_json=json)
    report = operation.rehearse(wanted, tell)
    show(report, lambda: _rehearsal.report_text(report), as_json=json)
    tell(f"the report as a page: {operation.write_page(report, wanted)}")
    operation.require_kept(report)


@command(
    help=JSON
    | DELAYS
    | FILE
    | FAULTS
    | VMS
    | {"port": "Where it listens; else a free one."}
)
def start(
    c: Context,
    config: str | None = None,
    port: int = 0,
    delays: str = "",
    faults: str = "",
    vms: str = "",
    json: bool = False,
) -> None:
    """Start the emulator of Google Cloud, or find the one that runs."""
    from iris.operations import rehearsal_start as operation
    from iris.operations.rehearsed import Circumstances

    mark_lines(of_a_rehearsal=True)
    given = Circumstances(delays, faults, vms)
    found = operation.start(config, tell, port=port, given=given)
    show(found, lambda: _lines(found), as_json=json)


@command(
    help=JSON
    | {
        "kind": "What goes wrong, such as stockout or preemption.",
        "zone": "Only in this zone.",
        "type": "Only this accelerator or machine type; * matches anything.",
        "name": "Only a resource of this name; * matches anything.",
        "api": "Only calls of compute, tpu, metadata, ssh or docker.",
        "verb": "Only create, delete, get, list, update or operation.",
        "worker": "Only this VM of a slice, by its number.",
        "times": "How often, 1 where nothing is said; 0 for ever.",
        "after": "How long from now, such as 10s.",
        "length": "How long, where it lasts, such as 30s.",
        "notice": "How long before it is announced, such as 30s.",
        "faults": "A file of faults instead of one by flags.",
    }
)
def inject(
    c: Context,
    kind: str = "",
    zone: str = "",
    type: str = "",
    name: str = "",
    api: str = "",
    verb: str = "",
    worker: int | None = None,
    times: int | None = None,
    after: str | None = None,
    length: str | None = None,
    notice: str | None = None,
    faults: str = "",
    json: bool = False,
) -> None:
    """Make something go wrong in the emulator that runs."""
    from iris.operations import rehearsal_start as operation

    mark_lines(of_a_rehearsal=True)
    words = {"kind": kind, "zone": zone, "type": type, "name": name}
    words |= {"api": api, "verb": verb}
    numbers = {
        "worker": worker,
        "times": times,
        "after": seconds(after),
        "seconds": seconds(length),
        "notice": seconds(notice),
    }
    injected = operation.inject(words, numbers, faults)
    lines = [f"fault {each.id}: {each.words}" for each in injected]
    show(injected, "\n".join(lines), as_json=json)


@command(help=JSON | DRY_RUN)
def stop(c: Context, json: bool = False, dry_run: bool = False) -> None:
    """End the emulator and everything in it."""
    from iris.operations import rehearsal_start as operation

    mark_lines(of_a_rehearsal=True)
    if dry_run:
        steps = operation.plan_stop()
        return show(steps, "\n".join(f"would {step}" for step in steps), as_json=json)
    stopped = operation.stop(tell)
    words = "the emulator has ended, and all in it" if stopped else "no emulator ran"
    show({"stopped": stopped}, words, as_json=json)


def _lines(found: Rehearsal) -> str:
    fields = found.__struct_fields__
    return "\n".join(f"{name:13}{getattr(found, name)}" for name in fields)
