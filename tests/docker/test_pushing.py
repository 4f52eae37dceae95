"""Both images go to a registry once, and what was pushed is what is named."""

from __future__ import annotations

import shutil

import bcrypt
import pytest

from iris.clock import RealClock
from iris.errors import NotPermitted, Unavailable
from iris.images.lock import find_lock, lock_file
from iris.images.login import Login
from iris.images.registry import LocalRegistry
from iris.operations import pushing
from iris.operations.images import Wanted, build
from iris.operations.pushing import PAUSES, push_to
from iris.paths import examples_folder
from iris.session import open_session

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        shutil.which("docker-registry") is None, reason="no docker-registry"
    ),
]
TOKEN = "ya29.a-token"


class Hurried(RealClock):
    """Waits for nothing, and says for how long it would have; then something acts."""

    def __init__(self, act=lambda: None):
        super().__init__()
        self.waits = []
        self.act = act

    def wait(self, event, timeout):
        if timeout is not None and timeout < min(PAUSES):
            return super().wait(event, timeout)  # somebody looks, nobody retries
        self.waits.append(timeout)
        self.act()
        return False


@pytest.fixture
def session_of(monkeypatch, tmp_path, image_by_part, engine):
    """A cluster file whose images lie in a registry; what it tags goes again."""
    monkeypatch.setenv("IRIS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    tagged = []

    def make(registry, clock=None):
        text = (examples_folder() / "eu-west4.yaml").read_text()
        place = "europe-west4-docker.pkg.dev/hai-gcp-models/marin"
        tagged.extend(
            f"{registry}/{part}:{tag}"
            for part, name in image_by_part.items()
            for tag in (name.partition(":")[2], "latest")
        )
        for part in image_by_part:
            text = text.replace(f"{place}/iris-{part}", f"{registry}/{part}")
        file = tmp_path / "eu.yaml"
        file.write_text(text)
        return open_session(str(file), clock=clock or RealClock())

    yield make
    for name in tagged:
        engine.try_("image", "rm", name)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "registry"


@pytest.fixture
def wanted(frozen):
    """Of a checkout that stays as it is."""
    return Wanted(root=frozen)


def hear(line):
    """Nobody listens."""


def test_what_was_pushed_is_locked_and_not_pushed_again(
    session_of, folder, engine, wanted
):
    with LocalRegistry(RealClock(), folder) as registry:
        session = session_of(f"{registry.address}/iris-test")

        first = pushing.push(session, hear, wanted)
        second = pushing.push(session, hear, wanted)
        locked = open_session(session.config_path).config.worker.image

        assert [each.was_there for each in first.images] == [False, False]
        assert [each.was_there for each in second.images] == [True, True]
        assert [e.image for e in first.images] == [e.image for e in second.images]
        assert locked == first.images[1].image
        assert "@sha256:" in locked
        engine.run("pull", "--quiet", locked, about="pulled", deadline=60.0)
        engine.try_("image", "rm", locked)


def test_a_rehearsals_push_answers_for_the_clouds_names(
    session_of, folder, engine, wanted
):
    with LocalRegistry(RealClock(), folder) as registry:
        session = session_of("eu-docker.pkg.dev/iris-test")
        built = build(session, hear, wanted)

        pushed = push_to(session, built, hear, registry=registry.address)

        lock = find_lock(lock_file(session.config_path, "iris-eu", is_rehearsal=True))
        assert lock is not None
        assert lock.worker.name == "eu-docker.pkg.dev/iris-test/worker:latest"
        digest = lock.worker.digest
        assert pushed.images[1].image == f"eu-docker.pkg.dev/iris-test/worker@{digest}"
        name = f"{registry.address}/iris-test/worker@{digest}"
        engine.run("manifest", "inspect", "--insecure", name, about="there")
        assert engine.images(f"{registry.address}/iris-test/worker:latest") == {}
    assert not find_lock(lock_file(session.config_path, "x", is_rehearsal=False))


def locked_up(tmp_path):
    """The configuration of a registry that lets nobody in without the token."""
    secret = bcrypt.hashpw(TOKEN.encode(), bcrypt.gensalt(4)).decode()
    users = tmp_path / "users"
    users.write_text(f"oauth2accesstoken:{secret}\n")
    return f"auth:\n  htpasswd: {{realm: iris, path: {users}}}\n"


def test_a_push_that_is_denied_says_what_to_do(session_of, folder, tmp_path, wanted):
    with LocalRegistry(RealClock(), folder, more=locked_up(tmp_path)) as registry:
        clock = Hurried()
        session = session_of(f"{registry.address}/iris-test", clock)

        with pytest.raises(NotPermitted) as caught:
            pushing.push(session, hear, wanted)

        assert "docker login" in caught.value.hint
        assert clock.waits == []  # nobody tries again what was denied
    assert find_lock(tmp_path / "eu.images.json") is None


def test_a_token_lets_us_in_and_stays_nowhere(session_of, folder, tmp_path, wanted):
    with LocalRegistry(RealClock(), folder, more=locked_up(tmp_path)) as registry:
        session = session_of(f"{registry.address}/iris-test")
        login = Login(token=lambda: TOKEN, takes_token=lambda registry: True)

        pushed = pushing.push(session, hear, wanted, login=login)

        assert [each.was_there for each in pushed.images] == [False, False]
    assert not (tmp_path / "docker").exists()


def test_a_registry_that_comes_back_is_pushed_to(session_of, folder, wanted):
    away = LocalRegistry(RealClock(), folder)
    address = away.start()
    away.stop()
    again = LocalRegistry(RealClock(), folder, port=int(address.rpartition(":")[2]))
    clock = Hurried(act=lambda: again.address or again.start())
    session = session_of(f"{address}/iris-test", clock)
    said: list[str] = []

    try:
        pushed = pushing.push(session, said.append, wanted)
    finally:
        again.stop()

    assert [each.was_there for each in pushed.images] == [False, False]
    assert clock.waits == [PAUSES[0]]
    assert any("connection refused" in line for line in said)


def test_a_registry_that_stays_away_ends_the_push_with_its_words(
    session_of, folder, wanted
):
    with LocalRegistry(RealClock(), folder) as registry:
        address = registry.address
    clock = Hurried()

    with pytest.raises(Unavailable, match=r"cannot be pushed: .*refused"):
        pushing.push(session_of(f"{address}/iris-test", clock), hear, wanted)

    assert tuple(clock.waits) == PAUSES
