"""Secrets of the cluster, which jobs ask for by name."""

from __future__ import annotations

from invoke.context import Context

from iris.commands._edge import CONFIG, DRY_RUN, JSON, command, show


@command(
    positional=["name"],
    help=CONFIG
    | JSON
    | DRY_RUN
    | {"name": "NAME, whose value is piped in or asked for; or NAME=env:VARIABLE."},
)
def put(
    c: Context,
    name: str,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Keep a secret for all jobs: `inv secret.put HF_TOKEN=env:HF_TOKEN`."""
    from iris.commands._marks import open_session
    from iris.operations import secrets

    session = open_session(config, cluster)
    if dry_run:
        named = secrets.name_in(name)
        return show(named, f"would keep secret {named}", as_json=json)
    kept = secrets.put(session, name)
    show(kept, f"secret {kept.name} kept; `--secret {kept.name}`", as_json=json)


@command(name="list", help=CONFIG | JSON)
def list_(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """List the names of the cluster's secrets; nothing shows a value."""
    from iris.commands._marks import open_session
    from iris.operations import secrets

    found = secrets.all_of(open_session(config, cluster))
    names = "\n".join(each.name for each in found) or "no secrets"
    show(found, names, as_json=json)


@command(
    positional=["name"],
    help=CONFIG | JSON | DRY_RUN | {"name": "The name of the secret."},
)
def delete(
    c: Context,
    name: str,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Forget a secret; attempts that have it keep it until they end."""
    from iris.commands._marks import open_session
    from iris.operations import secrets

    session = open_session(config, cluster)
    if dry_run:
        return show(name, f"would delete secret {name}", as_json=json)
    secrets.delete(session, name)
    show(name, f"secret {name} deleted", as_json=json)
