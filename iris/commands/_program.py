"""Invoke's program with our commands: what `iris` runs."""

from __future__ import annotations

from invoke.exceptions import Exit, ParseError
from invoke.program import Program

from iris import __version__
from iris.commands._assembly import assemble


class _Iris(Program):
    """Invoke's program, with the exit status 2 for words that it cannot parse."""

    def parse_core(self, argv: list[str] | None) -> None:
        try:
            super().parse_core(argv)
        except ParseError as error:
            raise Exit(f"iris: {error}", code=2) from error

    def parse_tasks(self) -> None:
        try:
            super().parse_tasks()
        except ParseError as error:
            raise Exit(f"iris: {error}", code=2) from error


def run() -> None:
    """Run one command."""
    _Iris(name="iris", version=__version__, namespace=assemble()).run()
