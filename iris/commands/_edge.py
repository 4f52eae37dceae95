"""Where words come in and answers go out: what Invoke does not do for a command."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from invoke.exceptions import Exit
from invoke.tasks import task

CONFIG = {
    "config": "The cluster file; found as given, then in examples/.",
    "cluster": "A cluster of this machine, by its name.",
}
JSON = {"json": "Print JSON, as the API gives it."}
DRY_RUN = {"dry-run": "Say what would be done, and do nothing."}
WAIT = {"wait-timeout": "How long to wait, such as 90s or 10m."}


def command(**settings: Any) -> Callable[[Callable[..., Any]], Any]:
    """An Invoke task whose errors are one line for a person, with the right status."""

    def made(function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            with _Edge():
                return function(*args, **kwargs)

        return task(**settings)(guarded)

    return made


class _Edge:
    """Turns what a command raises into a line and an exit status."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, KeyboardInterrupt):
            raise Exit(code=130) from error
        if isinstance(error, BrokenPipeError):
            # whoever read us has enough; the interpreter must not complain either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Exit(code=141) from error
        if error is not None:
            _refuse(error)


def _refuse(error: BaseException) -> None:
    from iris.errors import IrisError

    if isinstance(error, IrisError):
        tell(f"iris: {error.message}")
        if error.hint:
            tell(f"hint: {error.hint}")
        raise Exit(code=error.exit_status) from error


def tell(line: str) -> None:
    """One line of progress, beside the answer."""
    print(line, file=sys.stderr, flush=True)


def show(answer: Any, text: str | Callable[[], str], *, as_json: bool = False) -> None:
    """The answer: for a program, or for a person."""
    if as_json:
        import msgspec

        encoded = msgspec.json.format(msgspec.json.encode(answer), indent=2)
        print(encoded.decode())
    else:
        print(text() if callable(text) else text)


def seconds(words: str | None, default: float | None = None) -> float | None:
    """`90s` or `10m` as a command's flag. Raises UsageError."""
    from iris.config.kinds import Refused
    from iris.config.measures import Duration
    from iris.errors import UsageError

    if words is None:
        return default
    try:
        return Duration().read(words)
    except Refused as error:
        raise UsageError(f"expected {Duration().expected}, got {words!r}") from error


def words_after_dashes(argv: Sequence[str] | None = None) -> tuple[str, ...]:
    """What follows `--`, word by word as it was typed."""
    words = list(sys.argv if argv is None else argv)
    return tuple(words[words.index("--") + 1 :]) if "--" in words else ()


def refuse_misplaced_config(argv: Sequence[str] | None = None) -> None:
    """Invoke takes a `--config` before the command for itself: say the right order."""
    words = list(sys.argv if argv is None else argv)[1:]
    for place, word in enumerate(words):
        if not word.startswith("-"):
            return
        if word.split("=")[0] in ("--config", "-f"):
            rest = words[place + 1 if "=" in word else place + 2 :]
            file = word.partition("=")[2] or " ".join(words[place + 1 : place + 2])
            name = rest[0] if rest else "COMMAND"
            tell(f"iris: --config stands before the command {name!r}")
            tell(f"hint: `inv {name} --config {file}`")
            sys.exit(2)
