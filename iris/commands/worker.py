"""Workers: what an operator may do about one."""

from __future__ import annotations

from invoke.context import Context

from iris.commands._edge import (
    CONFIG,
    DRY_RUN,
    JSON,
    command,
    show,
    words_after_dashes,
)


@command(
    positional=["worker"],
    help=CONFIG
    | JSON
    | DRY_RUN
    | {
        "worker": "SLICE/INDEX, or its uid.",
        "deadline": "How long what runs has from its signal on, such as 90s; 10m.",
        "signal": "With --no-signal what runs is left alone until it ends by itself.",
    },
)
def drain(
    c: Context,
    worker: str,
    deadline: str | None = None,
    signal: bool = True,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Give a worker's slice back: what runs has its signal, then the slice goes."""
    from iris.commands._marks import open_session
    from iris.operations import workers

    seconds = workers.deadline_of(deadline, signal=signal)
    session = open_session(config, cluster)
    found = workers.find(session, worker)
    slice_, then = f"slice {found.slice_name}", workers.words_of_drain(seconds)
    if dry_run:
        return show(found, f"would drain {slice_}: {then}", as_json=json)
    drained = workers.drain(session, found, seconds)
    show(drained, f"{slice_} is draining: {then}", as_json=json)


@command(
    takes_words=True,
    positional=["worker"],
    help=CONFIG
    | {
        "worker": "SLICE/INDEX, or its uid.",
        "all": "On all workers at once, each line with its worker's name.",
    },
)
def ssh(
    c: Context,
    worker: str | None,
    all: bool = False,
    config: str | None = None,
    cluster: str | None = None,
) -> None:
    """Open a shell on a worker's VM, or run the words after `--` there."""
    from iris.commands import _ssh
    from iris.commands._marks import open_session
    from iris.operations import ssh as operation

    words = words_after_dashes()
    _ssh.require_sense(words, on_all=all)
    session = open_session(config, cluster)
    found = operation.workers_of(session, worker or "")
    _ssh.ssh(session, found, words, on_all=all)


@command(
    name="confirm-gone",
    positional=["slice_name"],
    help=CONFIG | JSON | DRY_RUN | {"slice-name": "The slice whose deletion is stuck."},
)
def confirm_gone(
    c: Context,
    slice_name: str,
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
    dry_run: bool = True,
) -> None:
    """Vouch that a slice does no work any more: its tasks are tried again (dry)."""
    from iris.commands._marks import open_session
    from iris.operations import workers

    session = open_session(config, cluster)
    if dry_run:
        said = f"would release the tasks of {slice_name}; --no-dry-run does it"
        return show(workers.slice_of(session, slice_name), said, as_json=json)
    released = workers.confirm_gone(session, slice_name)
    show(released, f"the tasks of {slice_name} are released", as_json=json)
