"""Pushes the two images that a cluster file names, and locks their digests."""

from __future__ import annotations

from invoke.context import Context

from iris.commands._edge import CONFIG, DRY_RUN, JSON, command, show
from iris.commands.build import WANTED

_REHEARSE = {
    "rehearse": "To a registry of this machine, which stands in for the file's."
}


@command(help=CONFIG | JSON | DRY_RUN | WANTED | _REHEARSE)
def push(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    base: str = "",
    with_gcloud: bool = False,
    rehearse: bool = False,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Push both images, built first where need be, and lock their digests."""
    from iris.commands._building import progress, pushed_text
    from iris.commands._marks import mark_lines, open_session
    from iris.operations import pushing as operation
    from iris.operations.images import Wanted

    session = open_session(config, cluster)
    mark_lines(of_a_rehearsal=rehearse or session.is_rehearsal)
    wanted = Wanted(base, with_gcloud)
    if dry_run:
        steps = operation.plan_push(session, wanted, rehearse=rehearse)
        return show(steps, "\n".join(f"would {step}" for step in steps), as_json=json)
    with progress() as say:
        pushed = operation.push(session, say, wanted, rehearse=rehearse)
    show(pushed, lambda: pushed_text(pushed), as_json=json)
