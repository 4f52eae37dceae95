"""Deletes everything of a cluster: nothing that costs money is left."""

from __future__ import annotations

from invoke.context import Context

from iris.commands._edge import CONFIG, DRY_RUN, JSON, command, show, tell


@command(help=CONFIG | JSON | DRY_RUN | {"uid": "The uid, where several share a name."})
def cleanup(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    uid: str = "",
    json: bool = False,
    dry_run: bool = True,
) -> None:
    """Delete the controller, all slices and the state of a cluster (dry)."""
    from iris.commands._marks import open_session
    from iris.commands._texts import leftovers
    from iris.operations import cleanup as operation

    session = open_session(config, cluster)
    if dry_run:
        found = operation.plan_cleanup(session, uid)
    else:
        found = operation.cleanup(session, tell, uid)
    show(found, lambda: leftovers(found, dry=dry_run), as_json=json)
