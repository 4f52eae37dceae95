"""Who may speak to a cluster, in which role."""

from __future__ import annotations

from invoke.context import Context

from iris.commands._edge import CONFIG, DRY_RUN, JSON, command, show, tell


@command(
    positional=["user"],
    help=CONFIG
    | JSON
    | DRY_RUN
    | {
        "user": "Whose token it will be; jobs and events carry the name.",
        "role": "user, operator or viewer.",
    },
)
def grant(
    c: Context,
    user: str,
    role: str = "user",
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Make a token for another person; it is printed this once."""
    from iris.commands._marks import open_session
    from iris.operations import access

    session = open_session(config, cluster)
    if dry_run:
        named = access.role_of(role)
        return show(user, f"would make a token for {user} ({named})", as_json=json)
    granted = access.grant(session, user, role)
    show(granted, granted.token, as_json=json)
    tell(f"the token of {user} ({role}); it is shown this once, send it in private")
    tell(f"{user} needs {session.file_path} and types, then pastes the token:")
    tell("  inv access.use --config FILE")


@command(name="list", help=CONFIG | JSON)
def list_(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """List who has a token, and in which role; nothing shows a token."""
    from iris.commands._marks import open_session
    from iris.commands._tables import ago, table
    from iris.operations import access

    session = open_session(config, cluster)
    found, now = access.all_of(session), session.clock.now()
    rows = [(g.token_hash[:12], g.user, g.role, ago(g.granted_at, now)) for g in found]
    heads = "HASH", "USER", "ROLE", "AGE"
    show(found, lambda: table(heads, rows), as_json=json)


@command(
    positional=["token_hash"],
    help=CONFIG
    | JSON
    | DRY_RUN
    | {"token-hash": "The hash of the token, as `access.list` shows it."},
)
def revoke(
    c: Context,
    token_hash: str,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Let a token in no longer; what its user's jobs do goes on."""
    from iris.commands._marks import open_session
    from iris.operations import access

    session = open_session(config, cluster)
    if dry_run:
        return show(token_hash, f"would revoke token {token_hash}", as_json=json)
    gone = access.revoke(session, token_hash)
    words = f"token {gone.token_hash[:12]} of {gone.user} ({gone.role}) revoked"
    show(gone, words, as_json=json)


@command(help=CONFIG | JSON | DRY_RUN)
def use(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Speak to a cluster with the token that you were given, from now on."""
    from iris.commands._marks import open_session
    from iris.operations import access

    session = open_session(config, cluster)
    name = session.cluster
    if dry_run:
        return show(name, f"would keep a token for cluster {name}", as_json=json)
    used = access.use(session)
    words = f"cluster {name} ({used.uid}) knows the token; kept in {used.token_file}"
    show(used, words, as_json=json)
