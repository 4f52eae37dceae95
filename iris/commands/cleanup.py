"""Deletes everything of a cluster: nothing that costs money is left."""

from __future__ import annotations

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

_FLAGS = {
    "name": "A cluster by its name alone; --config then says where to look.",
    "uid": "The uid, where several share a name.",
    "wait": "Try again what does not go at once; --no-wait tries once.",
    "if-controller-silent": "Only if it was unreachable for so long, such as 2h.",
}


@command(help=CONFIG | JSON | DRY_RUN | WAIT | _FLAGS)
def cleanup(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    name: str = "",
    uid: str = "",
    if_controller_silent: str | None = None,
    wait: bool = True,
    wait_timeout: str | None = None,
    json: bool = False,
    dry_run: bool = True,
) -> None:
    """Delete the controller, all slices and the state of a cluster (dry)."""
    from iris.commands._leftovers import describe_cleanup
    from iris.commands._marks import open_session
    from iris.operations import cleanup as operation

    wait_for = seconds(wait_timeout, operation.WAIT) if wait else 0.0
    silent_for = seconds(if_controller_silent)
    wanted = operation.Wanted(uid, dry_run, wait_for or 0.0, silent_for)
    session = operation.session_of_name(
        name, lambda known: open_session(None if known else config, known or cluster)
    )
    found = operation.carry_out(session, tell, wanted)
    show(found, lambda: describe_cleanup(found, dry=dry_run), as_json=json)
