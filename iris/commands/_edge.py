"""Where words come in and answers go out: what Invoke does not do for a command."""

from __future__ import annotations

import copy
import errno
import functools
import inspect
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from invoke.exceptions import Exit
from invoke.parser.argument import Argument
from invoke.tasks import Task, task

from iris.commands._marks import marked

CONFIG = {
    "config": "The cluster file; found as given, then in examples/.",
    "cluster": "A cluster of this machine, by its name.",
}
JSON = {"json": "Print JSON, as the API gives it."}
DRY_RUN = {"dry-run": "Say what would be done, and do nothing."}
WAIT = {"wait-timeout": "How long to wait, such as 90s or 10m."}
# One letter means one thing, in whichever command. Invoke's own choice depends on what
# other flags there are, and came to `--` where a command had many.
LETTERS = {
    "env": "e",
    "follow": "f",
    "interactive": "i",
    "json": "j",
    "name": "n",
    "output": "o",
    "terminal": "t",
}


def command(
    *, takes_words: bool = False, **settings: Any
) -> Callable[[Callable[..., Any]], Any]:
    """An Invoke task whose errors are one line for a person, with the right status.

    Only with `takes_words` may words follow `--`.
    """

    def made(function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            with _Edge():
                if not takes_words:
                    _refuse_words()
                return function(*args, **kwargs)

        return task(klass=_Command, **settings)(guarded)

    return made


class _Command(Task[Any]):
    """A task whose flags refuse what they cannot read, instead of failing on it."""

    _signature: inspect.Signature | None = None

    def __deepcopy__(self, memo: Any) -> _Command:
        """Invoke copies every command at each start, and changes none."""
        return self

    def argspec(self, body: Callable[..., Any]) -> inspect.Signature:
        if self._signature is None:  # it is asked for twice at each start
            self._signature = super().argspec(body)
        return self._signature

    def arg_opts(
        self, name: str, default: Any, taken_names: set[str]
    ) -> dict[str, Any]:
        options: dict[str, Any] = super().arg_opts(name, default, taken_names)
        long = options["names"][0]
        options["names"] = [long, LETTERS[long]] if long in LETTERS else [long]
        return options

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        arguments = super().get_arguments(ignore_unknown_help)
        types = self.body.__annotations__
        for argument in arguments:
            # Invoke tells the kind by the default, and None has none
            if types.get(argument.name or "") == "int | None":
                argument.kind = int
        if "all" in types and "--all" in _words_before_dashes():
            for argument in arguments:  # then none is named
                argument.positional = False
        words = [argument for argument in arguments if argument.positional]
        for place, argument in enumerate(words[1:], 1):  # may be left out, and was
            if "| None" in str(types.get(argument.name or "")):
                argument.positional = _bare_words(self.name, arguments) > place
        for argument in arguments:
            argument.__class__ = _Flag  # Invoke makes them, of its own class alone
        return arguments


class _Flag(Argument):
    """A flag that says what it expected."""

    def __deepcopy__(self, memo: Any) -> _Flag:
        """Invoke copies every flag of every command at each start; ours are small."""
        twin = copy.copy(self)
        twin._value = copy.copy(self._value)
        return twin

    def set_value(self, value: Any, cast: bool = True) -> None:
        try:
            super().set_value(value, cast)
        except ValueError:
            flag = max(self.names, key=len).replace("_", "-")
            wanted = "a whole number" if self.kind is int else "a number"
            words = f"iris: --{flag}: expected {wanted}, got {value!r}"
            raise Exit(words, code=2) from None


class _Edge:
    """Turns what a command raises into a line and an exit status."""

    def __enter__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
            # a terminal, or a file, that does not take every letter
            sys.stdout.reconfigure(errors="backslashreplace")

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        error = _flushed(error)
        if isinstance(error, KeyboardInterrupt):
            raise Exit(code=130) from error
        if _is_of_nobody_listening(error):
            raise Exit(code=141) from error
        if error is not None:
            _refuse(error)


def _flushed(error: BaseException | None) -> BaseException | None:
    """The error, or that nobody reads us: found out here, where it is expected."""
    try:
        sys.stdout.flush()
    except OSError as broken:
        if broken.errno not in (errno.EPIPE, errno.EIO):
            raise
        # the interpreter must not complain either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error or BrokenPipeError(errno.EPIPE, "nobody reads us")
    return error


def _is_of_nobody_listening(error: BaseException | None) -> bool:
    """Whoever read us has enough; or the terminal is closed, and no disk is broken."""
    if not isinstance(error, OSError):
        return False
    is_of_terminal = error.errno == errno.EIO and any(map(_is_gone, range(3)))
    return error.errno == errno.EPIPE or is_of_terminal


def _is_gone(file: int) -> bool:
    """Is it a terminal that was closed?"""
    import termios

    try:
        termios.tcgetattr(file)
    except termios.error as error:
        return bool(error.args[0] == errno.EIO)
    return False


def _refuse(error: BaseException) -> None:
    from iris.errors import IrisError, UsageError

    if isinstance(error, UnicodeEncodeError):
        # only what stands in the command anyway: it could be a secret's value
        is_typed = any(error.object in word for word in sys.argv)
        shown = f", got {error.object[:80]!a}" if is_typed else ""
        error = UsageError(f"expected UTF-8 text{shown}")
    if isinstance(error, IrisError):
        tell(f"iris: {error.message}")
        if error.hint:
            tell(f"hint: {error.hint}")
        raise Exit(code=error.exit_status) from error


def _refuse_words() -> None:
    from iris.errors import UsageError

    words = words_after_dashes()
    if words:
        raise UsageError(
            f"this command takes no words after `--`: {' '.join(words)}",
            hint="Flags stand before it; `inv --help COMMAND` names them.",
        )


def tell(line: str) -> None:
    """One line of progress, beside the answer."""
    with suppress(OSError):  # nobody listens, or the terminal is gone
        print(marked(line), file=sys.stderr, flush=True)


def show(answer: Any, text: str | Callable[[], str], *, as_json: bool = False) -> None:
    """The answer: for a program, or for a person."""
    if as_json:
        import msgspec

        encoded = msgspec.json.format(msgspec.json.encode(answer), indent=2)
        print(encoded.decode())
    else:
        print(marked(text() if callable(text) else text))


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


def _words_before_dashes() -> list[str]:
    words = sys.argv[1:]
    return words[: words.index("--")] if "--" in words else words


def _bare_words(command: str, arguments: Sequence[Argument]) -> int:
    """How many words stand behind the command that belong to no flag of it."""
    valued = {
        ("-" if len(name) == 1 else "--") + name.replace("_", "-")
        for argument in arguments
        if argument.takes_value
        for name in argument.names
    }
    words = _words_before_dashes() or sys.argv[1:]
    while words and words.pop(0).rpartition(".")[2] != command:
        pass
    pairs = zip(["", *words], words, strict=False)
    return sum(not w.startswith("-") and before not in valued for before, w in pairs)


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
            tell(f"hint: `inv {' '.join([name, '--config', file, *rest[1:]])}`")
            sys.exit(2)
