"""Commands that get a person into a job, for the namespace `job`."""

from __future__ import annotations

from invoke.context import Context

from iris.commands._edge import (
    CONFIG,
    JSON,
    WAIT,
    command,
    seconds,
    show,
    tell,
    words_after_dashes,
)

TASK = {"job": "JOB or JOB/INDEX of a task that runs; task 0 where none is named."}


@command(
    name="exec",
    takes_words=True,
    positional=["job"],
    help=CONFIG
    | TASK
    | {
        "interactive": "With -t as -it: on a terminal, a shell where nothing follows.",
        "terminal": "The same.",
    },
)
def exec_(
    c: Context,
    job: str,
    interactive: bool = False,
    terminal: bool = False,
    config: str | None = None,
    cluster: str | None = None,
) -> None:
    """Run the words after `--` in a task's folder and environment; none: a shell."""
    from iris.commands import _visiting
    from iris.commands._marks import open_session
    from iris.operations import entering

    words, is_wanted = words_after_dashes(), interactive or terminal
    on_terminal = _visiting.require_sense(words, on_terminal=is_wanted)
    session = open_session(config, cluster)
    entrance = entering.find_entrance(session, job, tell)
    if on_terminal:
        _visiting.announce(entrance)
    _visiting.enter(session, entrance, words, on_terminal=on_terminal)


@command(
    positional=["job", "port"],
    help=CONFIG
    | JSON
    | WAIT
    | TASK
    | {
        "port": "The port that the task's program listens on.",
        "local-port": "Where it is to be here; else the same, or one that is free.",
    },
)
def forward(
    c: Context,
    job: str,
    port: str,
    local_port: int | None = None,
    wait_timeout: str = "60s",
    config: str | None = None,
    cluster: str | None = None,
    json: bool = False,
) -> None:
    """Bring a port of a task's VM to this machine until Ctrl-C: TensorBoard, pdb."""
    import sys

    from iris.commands._marks import open_session
    from iris.operations import entering, forwarding

    ports, wait = forwarding.read_ports(port, local_port), seconds(wait_timeout)
    session = open_session(config, cluster)
    entrance = entering.find_entrance(session, job, tell)
    with forwarding.open_forward(session, entrance) as line:
        line.wait_for(ports.there, wait or 0.0, tell)
        forwarded = line.listen(ports)
        said = f"http://{forwarded.address} leads to port {ports.there} of"
        show(forwarded, f"{said} {entrance.words}", as_json=json)
        sys.stdout.flush()
        for words in line.hold():
            tell(words)
