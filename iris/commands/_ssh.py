"""A shell on a worker's VM, as a person opens it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence

from invoke.exceptions import Exit

from iris.commands._edge import tell
from iris.commands._marks import MarkedOutput
from iris.domain.views import WorkerView
from iris.errors import UsageError
from iris.operations import ssh as operation
from iris.session import Session


def require_sense(words: tuple[str, ...], *, on_all: bool) -> None:
    """Raise UsageError where a shell is wanted that nobody could type into."""
    if not words and (on_all or not sys.stdin.isatty()):
        raise UsageError(
            "without a terminal, or with --all, a command is needed",
            hint="It stands after `--`: `inv worker.ssh --all -- uptime`.",
        )


def ssh(
    session: Session,
    found: Sequence[WorkerView],
    words: tuple[str, ...],
    *,
    on_all: bool,
) -> None:
    """One worker or all of them; without words a shell, which needs a terminal."""
    command = shlex.join(words) if len(words) > 1 else "".join(words)
    if on_all:
        return operation.require_all_well(
            operation.run_on_all(session, found, command, _write)
        )
    if not words:
        shell = operation.interactive_words(session, found[0])
        os.execvp(shell[0], shell)
    ended = operation.run_on(session, found[0], command, _Output().write)
    if ended.problem:
        tell(f"iris: {ended.problem}")
    if ended.exit_status:
        raise Exit(code=ended.exit_status)


class _Output:
    """What a command prints, marked in a rehearsal."""

    def __init__(self) -> None:
        self._marks = MarkedOutput()

    def write(self, piece: bytes) -> None:
        """Byte for byte, at once."""
        sys.stdout.buffer.write(self._marks.add(piece))
        sys.stdout.buffer.flush()


def _write(lines: bytes) -> None:
    _Output().write(lines)
