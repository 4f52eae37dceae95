"""The tunnel to a controller, for a person's own programs."""

from __future__ import annotations

from invoke.context import Context

from iris.commands._edge import CONFIG, JSON, WAIT, command, seconds, show, tell


@command(help=CONFIG | WAIT | JSON)
def tunnel(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    wait_timeout: str = "60s",
    json: bool = False,
) -> None:
    """Print where the controller answers here, and keep it so until Ctrl-C."""
    from iris.commands._marks import open_session
    from iris.operations import tunnels

    session = open_session(config, cluster)
    opened = tunnels.open_tunnel(session, seconds(wait_timeout) or 0.0)
    show(opened, opened.url, as_json=json)
    if json or opened.is_direct:
        return  # a program goes on by itself: each use keeps it for ten minutes
    import sys

    sys.stdout.flush()
    for words in tunnels.hold_tunnel(session):
        tell(words)
