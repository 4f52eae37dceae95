"""Starts the first process of an attempt, as cheaply as the system can.

`posix_spawn` costs a third of `subprocess.Popen`: no pipe for errors, no folder
listing, no objects. It closes nothing, so the keeper lets no file through to its
children, and it knows no folder, so the keeper goes there and back: it is one thread.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_IN, _OUT, _ERR = 0, 1, 2
# What Python ignores in itself, and no program expects to find ignored.
_DEFAULTS = (signal.SIGPIPE, signal.SIGXFSZ)


def spawn(
    argv: tuple[str, ...], env: Mapping[str, str], work: Path, output: Path
) -> int:
    """Run the command in `work` as a session of its own; returns its pid.

    Raises ValueError, or an OSError that names the command if that was refused.
    """
    if not argv:
        raise ValueError("it has no words")
    handle = os.open(output, _OUTPUT, 0o600)
    try:
        files = [
            (os.POSIX_SPAWN_OPEN, _IN, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, handle, _OUT),
            (os.POSIX_SPAWN_DUP2, handle, _ERR),
        ]
        with _inside(work):
            return _spawn_first(argv, env, files)
    finally:
        os.close(handle)


def keep_files() -> None:
    """Let no file that is open now, and was let through to us, through to children."""
    for name in os.listdir("/dev/fd"):
        try:
            if int(name) > _ERR:
                os.set_inheritable(int(name), False)
        except OSError:
            continue  # the one that lists


def _spawn_first(
    argv: tuple[str, ...], env: Mapping[str, str], files: Sequence[tuple[object, ...]]
) -> int:
    """The first program that can be run of those that the command may mean."""
    refused: OSError | None = None
    for program in _programs(argv[0], env):
        try:
            return os.posix_spawn(
                program,
                argv,
                env,
                file_actions=files,
                setsid=True,
                setsigdef=_DEFAULTS,
            )
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            refused = refused or error
    number = refused.errno if refused and refused.errno else errno.ENOENT
    raise OSError(number, os.strerror(number), argv[0]) from refused


def _programs(word: str, env: Mapping[str, str]) -> Iterator[str]:
    """Where its own PATH has it, as a shell would look."""
    if os.sep in word:
        yield word
        return
    for folder in os.get_exec_path(dict(env)):
        program = os.path.join(folder, word)
        if os.path.exists(program):
            yield program


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    here = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(here)
        os.close(here)
