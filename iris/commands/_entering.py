"""Commands that get a person into a job, for the namespace `job`."""

from __future__ import annotations

from invoke.context import Context

from iris.commands._edge import CONFIG, command, tell, words_after_dashes


@command(
    name="exec",
    takes_words=True,
    positional=["job"],
    help=CONFIG
    | {
        "job": "JOB or JOB/INDEX of a task that runs; its task 0 where none is named.",
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
