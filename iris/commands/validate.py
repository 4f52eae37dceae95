"""Proves that a cluster does what it is for."""

from __future__ import annotations

from invoke.context import Context

from iris.commands._edge import CONFIG, JSON, command, show, tell


@command(help=CONFIG | JSON | {"tpu-type": "The accelerator to prove it on."})
def validate(
    c: Context,
    tpu_type: str = "",
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """Run a job, a computation, a gang that meets, and two that want one slice."""
    from iris.operations import validate as operation
    from iris.session import open_session

    found = operation.validate(open_session(config, cluster), tpu_type, tell)
    show(found, lambda: operation.describe(found), as_json=json)
    operation.require_proven(found)
