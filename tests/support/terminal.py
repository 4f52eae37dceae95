"""Commands as a person types them, in a home of their own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parents[2]


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


class Terminal:
    """Types commands; everything of Iris lies below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        venv = Path(sys.executable).parent
        self.environment = os.environ | {
            "IRIS_HOME": str(self.home),
            "PATH": f"{venv}:{os.environ['PATH']}",
        }
        self.environment.pop("IRIS_CONFIG", None)

    def start(
        self, *words: str, program: str = "inv", stdin: IO[bytes] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command and let it run; a file may be what is piped in."""
        return subprocess.Popen(
            [program, *words],
            cwd=ROOT,
            env=self.environment,
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def window(
        self, *words: str
    ) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        """A command in a window of its own; the window is then closed."""
        shown, window = pty.openpty()
        started = subprocess.Popen(
            ["setsid", "--ctty", "inv", *words],
            cwd=ROOT,
            env=self.environment,
            stdin=window,
            stdout=window,
            stderr=window,
        )
        os.close(window)
        with open(shown, "rb", buffering=0) as screen:
            yield started, screen

    def run(self, *words: str, program: str = "inv", within: float = 100.0) -> Ran:
        """Type a command and wait for its end."""
        with self.start(*words, program=program) as started:
            try:
                out, err = started.communicate(timeout=within)
            except subprocess.TimeoutExpired:
                started.terminate()
                raise
        return Ran(started.returncode, out, err)

    def typed(
        self, *words: str, sent: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """How a command ends that reads what is sent to it, byte for byte."""
        return subprocess.run(
            ["inv", *words],
            cwd=ROOT,
            env=self.environment,
            input=sent,
            capture_output=True,
            timeout=100,
            check=False,
        )

    def ok(self, *words: str, within: float = 100.0) -> str:
        """What a command that succeeds prints."""
        ran = self.run(*words, within=within)
        assert ran.status == 0, ran
        return ran.out

    def refused(self, *words: str, status: int, program: str = "inv") -> str:
        """The lines of a command that is refused: never a traceback."""
        ran = self.run(*words, program=program)
        assert ran.status == status, ran
        assert "Traceback" not in ran.err + ran.out
        return ran.err
