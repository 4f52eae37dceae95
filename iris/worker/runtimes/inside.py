"""How a command runs inside of a container, and what it finds open there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from iris.worker.folders import VmFolder
from iris.worker.runtimes.engine import Engine

# $0 is the output, "$@" the command: one that cannot be run leaves a file beside it.
# Its secrets are read from a file, so that whoever asks the engine sees none.
MISSING = "no-command"
_SURROUNDINGS = (
    'if [ -e "${0%/*}/secrets" ]; then . "${0%/*}/secrets" || exit 126; fi; '
    'if [ -n "$IRIS_SETUP_DIR" ]; then export PATH="$IRIS_SETUP_DIR/bin:$PATH"; fi; '
)
_SHELL = (
    f'exec >>"$0" 2>&1; {_SURROUNDINGS}'
    'command -v -- "$1" >/dev/null && exec "$@"; '
    f': >"${{0%/*}}/{MISSING}"; exit 127'
)
# $0 is a file for its pid, by which it can be signalled; without a command a shell.
_VISIT = (
    f'echo $$ >"$0"; {_SURROUNDINGS}'
    '[ $# -gt 0 ] || set -- "$(command -v bash || echo sh)"; exec "$@"'
)


def in_shell(output: str, command: tuple[str, ...]) -> tuple[str, ...]:
    """The words that run a command there."""
    return ("/bin/sh", "-c", _SHELL, output, *command)


def in_visit(pid_file: str, words: Sequence[str]) -> tuple[str, ...]:
    """The words that run a visitor's there, beside the attempt's own."""
    return ("/bin/sh", "-c", _VISIT, pid_file, *words)


def open_to_containers(folder: VmFolder, uid: str, *more: Path) -> None:
    """Whoever the image runs as may write here; nobody else comes this far."""
    folder.shared.mkdir(parents=True, exist_ok=True)
    for path in (folder.attempt(uid), folder.shared, *more):
        path.chmod(0o777)
    folder.output(uid).touch()
    folder.output(uid).chmod(0o666)


def show_secrets(path: Path, engine: Engine, image: str) -> None:
    """To whomever the image runs as, and to nobody else."""
    os.chown(path, engine.uid_in(image), -1)
