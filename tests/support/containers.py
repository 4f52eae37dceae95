"""Containers of a test, started as a VM starts them, and never left behind."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from iris.images.engine import Engine

USER = 10001  # of the controller's image; the boot script gives it what is mounted


class Container:
    """One container, gone at `close`."""

    def __init__(self, engine: Engine, image: str, *words: str) -> None:
        self.engine = engine
        self.name = f"iris-test-{secrets.token_hex(4)}"
        flags, command = words[: _flags(words)], words[_flags(words) + 1 :]
        start = ("run", "--detach", "--name", self.name, *flags, image, *command)
        try:
            engine.run(*start, about=f"{image} does not start", deadline=60.0)
        except BaseException:
            self.close()
            raise

    def exec(self, *words: str) -> tuple[int, str]:
        """How a command inside ends, and what it says."""
        said = self.engine.try_("exec", self.name, *words, deadline=60.0)
        return said.status, said.out + said.err

    def inspect(self) -> dict[str, Any]:
        """What the engine knows of it."""
        said = self.engine.run("inspect", self.name, about=self.name)
        found: dict[str, Any] = json.loads(said)[0]
        return found

    def logs(self) -> str:
        """All that it wrote."""
        said = self.engine.try_("logs", self.name)
        return said.out + said.err

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.engine.run("stop", self.name, about=self.name, deadline=60.0)
        return int(self.inspect()["State"]["ExitCode"])

    def close(self) -> None:
        """End and remove it, with what it kept for itself."""
        self.engine.try_("rm", "--force", "--volumes", self.name, deadline=60.0)


def _flags(words: tuple[str, ...]) -> int:
    """How many words stand before `--`, which is followed by the command."""
    return words.index("--") if "--" in words else len(words)


def mounts(folder_by_place: Mapping[str, Path]) -> tuple[str, ...]:
    """The words that mount folders."""
    words = []
    for place, folder in folder_by_place.items():
        words += ["--volume", f"{folder}:{place}"]
    return tuple(words)


def write_json(path: Path, **said: object) -> None:
    """A file of a machine."""
    path.write_bytes(msgspec.json.encode(said))
