"""Starts, stops and restarts a cluster, and says how it stands."""

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


@command(
    help=CONFIG
    | WAIT
    | JSON
    | DRY_RUN
    | {
        "rehearse": "On this machine's emulator instead of Google Cloud, from now on.",
        "delays": "Of a rehearsal: none, or google: as long as Google Cloud takes.",
        "faults": "Of a rehearsal: a file of faults, such as stockout.yaml.",
        "vms": "Of a rehearsal: process, or docker: containers of the real images.",
        "adopt": "The uid of a state disk that was another cluster's, to go on with.",
    }
)
def start(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    rehearse: bool = False,
    delays: str = "",
    faults: str = "",
    vms: str = "",
    adopt: str = "",
    wait_timeout: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Start the controller and wait until it answers."""
    from iris.commands._marks import mark_lines, open_session
    from iris.operations import cluster as operation
    from iris.operations import rehearsed

    session = open_session(config, cluster)
    given = rehearsed.Circumstances(delays, faults, vms)
    rehearsed.require_wanted(rehearse, given)
    if rehearse:
        mark_lines(of_a_rehearsal=True)
        rehearsed.require_rehearsable(session, vms)
    if dry_run:
        return _show_steps(operation.plan_start(session), json)
    if rehearse:
        session = rehearsed.prepare(session, tell, given)
    wait = seconds(wait_timeout)  # the default is the provider's
    started = operation.start(session, tell, wait=wait, adopt=adopt)
    lines = f"cluster {started.cluster} ({started.uid}) answers at {started.url}"
    show(started, lines, as_json=json)


@command(
    help=CONFIG
    | WAIT
    | JSON
    | DRY_RUN
    | {
        "keep-slices": "Leave the slices; they cost until somebody deletes them.",
        "deadline": "How long what runs has from its signal on; else its job's grace.",
    }
)
def stop(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    keep_slices: bool = False,
    deadline: str | None = None,
    wait_timeout: str = "10m",
    json: bool = False,
    dry_run: bool = True,
) -> None:
    """Give the slices back and stop the controller; its state is kept (dry)."""
    from iris.commands._marks import open_session
    from iris.operations import cluster as operation

    given = operation.deadline_of(deadline, keep_slices=keep_slices)
    session = open_session(config, cluster)
    if dry_run:
        steps = operation.plan_stop(session, keep_slices=keep_slices)
        return _show_steps(steps, json, way_out="--no-dry-run does it")
    stopped = operation.stop(
        session,
        tell,
        keep_slices=keep_slices,
        deadline=given,
        wait=seconds(wait_timeout) or 0.0,
    )
    show(stopped, f"cluster {stopped.cluster} is stopped", as_json=json)


@command(help=CONFIG | WAIT | JSON | DRY_RUN)
def restart(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    wait_timeout: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Restart the controller only; slices and what runs on them go on."""
    from iris.commands._marks import open_session
    from iris.operations import cluster as operation

    session = open_session(config, cluster)
    if dry_run:
        return _show_steps(operation.plan_restart(session), json)
    started = operation.restart(session, tell, wait=seconds(wait_timeout))
    lines = f"cluster {started.cluster} ({started.uid}) answers at {started.url}"
    show(started, lines, as_json=json)


@command(help=CONFIG | JSON)
def status(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """Say how the cluster stands, and where it answers."""
    from iris.commands._marks import open_session
    from iris.commands._texts import cluster_status
    from iris.operations import cluster as operation

    found = operation.status(open_session(config, cluster))
    show(found, lambda: cluster_status(found), as_json=json)


@command(help=CONFIG | JSON)
def plan(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """Say what the file would change, and what the autoscaler is about to do."""
    from iris.commands._marks import open_session
    from iris.commands._texts import cluster_plan
    from iris.operations import cluster as operation

    found = operation.plan(open_session(config, cluster))
    show(found, lambda: cluster_plan(found), as_json=json)


@command(name="ssh-config", help=CONFIG | JSON)
def ssh_config(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """Print what OpenSSH needs to reach the controller and every worker."""
    from iris.commands._marks import open_session
    from iris.operations import ssh as operation

    text = operation.render_config(open_session(config, cluster))
    if json:
        return show({"config": text}, "", as_json=True)
    print(text, end="")  # unmarked: `ssh -F` reads it


def _show_steps(steps: tuple[str, ...], as_json: bool, way_out: str = "") -> None:
    lines = [*(f"would {step}" for step in steps), way_out]
    show(steps, "\n".join(filter(None, lines)), as_json=as_json)
