"""The docker client of this machine: every call is a list of words with a deadline.

Nothing goes through a shell, and no secret stands among the words.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any

import msgspec

from iris.errors import EngineFailed, IrisError, NoEngine
from iris.images.refusals import refusal

LOOK_DEADLINE = 30.0  # seconds for an answer that needs no network
PLATFORM = "linux/amd64"  # what the VMs of Google Cloud are
_ADVICE = ("Run 'docker", "See 'docker")  # what the client adds to its last line
_INSTALL = "Install Docker (Debian: apt-get install docker.io), then start it."
_START = (
    "Start it (systemctl start docker), name it with DOCKER_HOST, or join the "
    "group that may use it (docker)."
)


class Said(msgspec.Struct, frozen=True):
    """How a call of the client ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """Its last line, which is the one that names the cause."""
        lines = [*self.out.splitlines(), *self.err.splitlines()]
        said = (li.strip() for li in reversed(lines))
        return next((li for li in said if li and not li.startswith(_ADVICE)), "no word")


class Image(msgspec.Struct, frozen=True):
    """An image that the engine has."""

    id: str
    size_bytes: int
    digests: tuple[str, ...] = ()  # NAME@sha256:... where it was pushed or pulled
    labels: dict[str, str] = {}
    layers: tuple[str, ...] = ()


class Engine:
    """The engine that the docker client speaks to."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = dict(environment) | {
            "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",  # an image, not an index of two
            "DOCKER_CLI_HINTS": "false",
        }

    def with_config(self, folder: str) -> Engine:
        """The same with other credentials: a folder as `~/.docker` is one."""
        return Engine(self._environment | {"DOCKER_CONFIG": folder})

    def require(self) -> str:
        """The engine's version. Raises NoEngine."""
        said = self.try_("version", "--format", "{{.Server.Version}}")
        if said.status != 0:
            raise NoEngine(
                f"the container engine does not answer: {said.words}", hint=_START
            )
        return said.out.strip()

    def run(
        self, *words: str, about: str, deadline: float = LOOK_DEADLINE, stdin: str = ""
    ) -> str:
        """What a call prints. Raises NoEngine, EngineFailed and what else it means."""
        said = self.try_(*words, deadline=deadline, stdin=stdin)
        if said.status != 0:
            raise refusal(about, said.words)
        return said.out

    def try_(
        self, *words: str, deadline: float = LOOK_DEADLINE, stdin: str = ""
    ) -> Said:
        """How a call ends, whichever way. Raises NoEngine, EngineFailed when late."""
        try:
            ran = subprocess.run(
                [self._program(), *words],
                env=self._environment,
                input=stdin,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=deadline,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _late(words, deadline) from error
        return Said(ran.returncode, ran.stdout, ran.stderr)

    def stream(
        self,
        *words: str,
        hear: Callable[[str], None],
        deadline: float,
        stdin: IO[bytes] | None = None,
    ) -> Said:
        """A call that takes long: each line is heard as it comes."""
        return stream(
            [self._program(), *words], self._environment, hear, deadline, stdin
        )

    def images(self, *names: str) -> dict[str, Image]:
        """Those of the names that the engine has."""
        if not names:
            return {}
        found = {}
        for name in names:
            said = self.try_("image", "inspect", name)
            if said.status == 0:
                found[name] = _image(msgspec.json.decode(said.out)[0])
            elif "no such image" not in said.err.lower():
                raise refusal(f"image {name} cannot be looked at", said.words)
        return found

    def _program(self) -> str:
        found = shutil.which("docker", path=self._environment.get("PATH"))
        if found is None:
            raise NoEngine("there is no docker client on the PATH", hint=_INSTALL)
        return found


def stream(
    command: list[str],
    environment: Mapping[str, str],
    hear: Callable[[str], None],
    deadline: float,
    stdin: IO[bytes] | None = None,
) -> Said:
    """Run a program to its end; each line that it prints is heard as it comes."""
    lines: list[str] = []
    with subprocess.Popen(
        command,
        env=dict(environment),
        stdin=stdin or subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            process.kill()

        watch = threading.Timer(deadline, end)
        watch.daemon = True
        watch.start()
        try:
            for line in process.stdout or ():
                lines.append(line)
                hear(line.rstrip())
        except BaseException:
            process.terminate()
            raise
        finally:
            watch.cancel()
    if is_late.is_set():
        raise _late(tuple(command[1:]), deadline)
    return Said(process.returncode, "".join(lines), "")


def _image(raw: dict[str, Any]) -> Image:
    labels = raw["Config"].get("Labels") or {}
    digests = tuple(raw.get("RepoDigests") or ())
    layers = tuple(raw["RootFS"].get("Layers") or ())
    return Image(raw["Id"], raw["Size"], digests, labels, layers)


def _late(words: tuple[str, ...], deadline: float) -> IrisError:
    return EngineFailed(
        f"`docker {words[0]}` did not end within {deadline:g} s",
        hint="Is the engine alive (`docker info`), and the network? Then try again.",
    )
