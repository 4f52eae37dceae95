"""Who pushes: docker's own credentials, else an access token of Google's.

A token lives in a folder of its own for as long as the push takes: neither in an
argument list nor in the person's own configuration of docker.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from iris.errors import NotPermitted
from iris.images.engine import Engine
from iris.structs import learn

Say = Callable[[str], None]

GOOGLE = (".pkg.dev", ".gcr.io")
TOKEN_USER = "oauth2accesstoken"  # what Google's registries call whoever has a token
LOGIN_DEADLINE = 60.0  # seconds
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def google_token() -> str:
    """An access token of whoever is logged in to Google Cloud here."""
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
        refresh: Callable[[Request], None] = credentials.refresh
        refresh(Request())
    except GoogleAuthError as error:
        raise NotPermitted(
            f"nobody is logged in to Google Cloud here: {error}",
            hint="`gcloud auth application-default login`, or `docker login REGISTRY`.",
        ) from error
    return str(credentials.token)


class Login(msgspec.Struct, frozen=True):
    """How a registry comes to know us."""

    token: Callable[[], str] = google_token
    takes_token: Callable[[str], bool] = lambda registry: (
        registry.endswith(GOOGLE) or (registry == "gcr.io")
    )

    @contextmanager
    def of(
        self, engine: Engine, registries: tuple[str, ...], say: Say
    ) -> Iterator[Engine]:
        """The engine, known to all of them while the block runs."""
        known = docker_config()
        wanted = [
            registry
            for registry in registries
            if self.takes_token(registry) and not has_credentials(known, registry)
        ]
        if not wanted:
            yield engine
            return
        folder = Path(tempfile.mkdtemp(prefix="iris-login-"))
        try:
            _copy_config(known, folder)
            own = engine.with_config(str(folder))
            for registry in wanted:
                say(f"logging in to {registry}")
                words = ("login", "--username", TOKEN_USER, "--password-stdin")
                own.run(
                    *words,
                    registry,
                    about=f"{registry} does not let us in",
                    deadline=LOGIN_DEADLINE,
                    stdin=self.token(),
                )
            yield own
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def docker_config() -> Path:
    """The folder of docker's own configuration."""
    named = os.environ.get("DOCKER_CONFIG", "")
    return Path(named) if named else Path.home() / ".docker"


def has_credentials(config: Path, registry: str) -> bool:
    """Has docker a login of its own for a registry?"""
    said = _read(config)
    named = {**said.auths, **said.programs}
    return registry in named or f"https://{registry}" in named


class _DockerConfig(msgspec.Struct, rename={"programs": "credHelpers"}):
    """What is read of docker's own file: logins, and programs that know some."""

    auths: dict[str, object] = {}
    programs: dict[str, object] = {}


def _copy_config(config: Path, folder: Path) -> None:
    """All of it but where secrets are kept: the token is to stay in the folder."""
    try:
        said = msgspec.json.decode((config / "config.json").read_bytes())
        said.pop("credsStore", None)
    except (OSError, msgspec.MsgspecError):
        said = {}
    file = folder / "config.json"
    file.touch(mode=0o600)
    file.write_bytes(msgspec.json.encode(said))
    for name in ("contexts", "cli-plugins"):
        if (config / name).is_dir():
            (folder / name).symlink_to(config / name)


def _read(config: Path) -> _DockerConfig:
    try:
        content = (config / "config.json").read_bytes()
        return learn(_DockerConfig).decode(content)
    except (OSError, msgspec.MsgspecError):
        return _DockerConfig()
