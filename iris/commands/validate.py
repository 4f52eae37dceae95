"""Proves that a cluster does what it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.context import Context

from iris.commands._edge import (
    CONFIG,
    DRY_RUN,
    JSON,
    WAIT,
    command,
    seconds,
    show,
    tell,
)

if TYPE_CHECKING:
    from iris.operations.validate import Validated


@command(help=CONFIG | WAIT | JSON | DRY_RUN | {"tpu-type": "The type to prove it on."})
def validate(
    c: Context,
    tpu_type: str = "",
    wait_timeout: str | None = None,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Run real work on every VM of a slice and compare what comes of it."""
    from iris.commands._marks import open_session
    from iris.operations import validate as operation

    session = open_session(config, cluster)
    if dry_run:
        steps = operation.plan_validate(session, tpu_type)
        return show(steps, "\n".join(f"would {step}" for step in steps), as_json=json)
    wait = seconds(wait_timeout) or 0.0
    found = operation.validate(session, tell, tpu_type, wait)
    show(found, lambda: _report(found), as_json=json)
    operation.require_sound(found)


def _report(found: Validated) -> str:
    from iris.commands._tables import table

    rows = [
        (
            each.name,
            each.outcome,
            f"{each.waited_seconds:.2f}s",
            f"{each.ran_seconds:.2f}s",
            each.detail,
        )
        for each in found.phases
    ]
    verdict = "does what it is for" if found.is_sound else "fell short"
    on = found.tpu_type or "plain VMs"
    words = f"cluster {found.cluster} {verdict} on {on}; {found.seconds:.1f}s in all"
    return f"{table(('PHASE', 'OUTCOME', 'WAITED', 'RAN', 'DETAIL'), rows)}\n{words}"
