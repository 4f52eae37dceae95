"""Docker's own credentials are found, and what else is there stays as it was."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from iris.errors import NotPermitted
from iris.images.engine import Engine
from iris.images.login import Login, has_credentials

REGISTRY = "europe-west4-docker.pkg.dev"


def config(folder, **said):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(said))
    return folder


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A docker client that writes down how it was called, and its configuration."""
    monkeypatch.setenv("DOCKER_CONFIG", str(config(tmp_path / "own", credsStore="x")))
    program = tmp_path / "docker"
    script = 'echo "$*" >>"$SEEN"; cat >>"$SEEN"; echo "$DOCKER_CONFIG" >"$SEEN.where"'
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    seen = tmp_path / "seen"
    seen.touch()
    path = f"{tmp_path}:{os.environ['PATH']}"
    return Engine({"PATH": path, "SEEN": str(seen)}), seen


@pytest.mark.parametrize("key", ["auths", "credHelpers"])
def test_a_login_of_dockers_own_is_found(tmp_path, key):
    own = config(tmp_path / "own", **{key: {REGISTRY: {}}})

    assert has_credentials(own, REGISTRY)
    assert not has_credentials(own, "us-docker.pkg.dev")
    assert not has_credentials(tmp_path / "none", REGISTRY)


def test_a_token_goes_by_stdin_into_a_folder_that_does_not_stay(docker):
    engine, seen = docker

    with Login(token=lambda: "a-token").of(engine, (REGISTRY,), lambda _: None):
        where = seen.with_suffix(".where").read_text().strip()
        kept = json.loads(Path(where, "config.json").read_text())
        mode = stat.S_IMODE(os.stat(f"{where}/config.json").st_mode)

    command, token = seen.read_text().splitlines()
    assert command == f"login --username oauth2accesstoken --password-stdin {REGISTRY}"
    assert token == "a-token"
    assert (kept, mode) == ({}, 0o600)  # a store of secrets would have kept it
    assert not os.path.exists(where)


@pytest.mark.parametrize("registry", ["registry.example.org", "127.0.0.1:5000"])
def test_a_token_is_shown_to_googles_registries_only(docker, registry):
    engine, seen = docker

    with Login(token=lambda: "a-token").of(engine, (registry,), lambda _: None) as same:
        assert same is engine

    assert seen.read_text() == ""


def test_nobody_logged_in_is_said_with_both_ways_to_be(monkeypatch, tmp_path):
    from iris.images.login import google_token

    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))

    with pytest.raises(NotPermitted, match="nobody is logged in") as caught:
        google_token()

    assert "docker login" in caught.value.hint
