"""The names of images in a cluster file, and what is locked for them."""

from __future__ import annotations

import pytest

from iris.client import records
from iris.client.records import Record
from iris.errors import BadClusterFile, NoEngine, UsageError
from iris.images.lock import ImageLock, LockedImage, lock_file, write_lock
from iris.images.names import ImageName
from iris.operations import images, pushing
from iris.operations.running_images import disagreements, images_of, tell_images
from iris.paths import examples_folder
from iris.session import open_session

PLACE = "europe-west4-docker.pkg.dev/hai-gcp-models/marin"
DIGEST = "sha256:" + "d" * 64


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A team's copy of an example, on a machine without an engine."""
    monkeypatch.setenv("IRIS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    monkeypatch.delenv("IRIS_CONFIG", raising=False)
    copy = tmp_path / "eu.yaml"
    copy.write_text((examples_folder() / "eu-west4.yaml").read_text())
    return copy


def lock(path, name="iris-worker:latest", digest=DIGEST):
    made = ImageLock(
        controller=LockedImage(f"{PLACE}/iris-controller:latest", "1-c", digest),
        worker=LockedImage(f"{PLACE}/{name}", "1-w", digest),
        version="1",
        commit="abc",
        base="python sha256:1",
    )
    write_lock(path, made)


def test_an_opened_file_runs_what_its_lock_says(file):
    lock(file.with_suffix(".images.json"))

    session = open_session(str(file))

    assert session.config.worker.image == f"{PLACE}/iris-worker@{DIGEST}"
    assert f"image: {PLACE}/iris-controller@{DIGEST}" in session.config_text
    told = []
    tell_images(session, told.append)
    assert told == [
        f"the {part}'s image is {PLACE}/iris-{part}@{DIGEST}"
        for part in ("controller", "worker")
    ]


def test_what_was_started_by_digest_is_opened_so_again_and_built_by_its_file(file):
    lock(file.with_suffix(".images.json"))
    session = open_session(str(file))
    record = Record("iris-eu", "c1", str(file))
    records.save(record, config_text=session.config_text)

    again = open_session(cluster="iris-eu")

    assert again.config.worker.image == f"{PLACE}/iris-worker@{DIGEST}"
    assert again.file_path == str(file)
    assert images.as_written(again).config.worker.image.endswith("iris-worker:latest")


def test_a_rehearsal_is_not_pinned_by_what_the_cloud_runs(file):
    lock(file.with_suffix(".images.json"))
    record = Record("iris-eu", "c1", str(file), rehearsal=True)
    around = record.endpoints.__class__(compute_url="http://127.0.0.1:1")
    records.save(
        Record("iris-eu", "c1", str(file), rehearsal=True, endpoints=around),
        config_text=file.read_text(),
    )
    own = "sha256:" + "e" * 64

    assert open_session(str(file)).config_text == file.read_text()

    lock(lock_file(str(file), "iris-eu", is_rehearsal=True), digest=own)
    assert open_session(str(file)).config.worker.image.endswith(own)


def test_a_lock_of_another_name_is_said_at_the_start(file):
    lock(file.with_suffix(".images.json"), name="our-jax:7")
    told = []

    tell_images(open_session(str(file)), told.append)

    assert f"names {PLACE}/iris-worker:latest: not pinned" in told[-1]


def test_running_another_digest_than_the_lock_is_said_with_the_way_out(file):
    running = open_session(str(file)).config_text
    lock(file.with_suffix(".images.json"))
    session = open_session(str(file))

    said = disagreements(session, running)

    assert len(said) == 2
    name = f"{PLACE}/iris-worker"
    assert said[1] == (
        f"the worker runs {name}:latest, the lock says {name}@{DIGEST}: "
        f"`inv cluster.restart --config {file}` applies it"
    )
    assert disagreements(session, session.config_text) == ()
    assert images_of(running)["worker"] == f"{PLACE}/iris-worker:latest"
    assert images_of("no: file\n") == {}


def test_names_are_refused_that_cannot_be_built_or_pushed(file):
    def session_with(old, new):
        file.write_text(file.read_text().replace(old, new))
        return open_session(str(file))

    twice = session_with("iris-worker:", "iris-controller:")
    with pytest.raises(BadClusterFile, match=r"worker/image: expected another name"):
        images.plan_build(twice)
    rest = "\n  runtime"
    session = session_with(f"/iris-controller:latest{rest}", f"/w@{DIGEST}{rest}")
    with pytest.raises(BadClusterFile, match=r"got the digest sha256:dddd"):
        pushing.plan_push(session)
    session = session_with(f"{PLACE}/w@{DIGEST}", "iris-worker:1")
    with pytest.raises(BadClusterFile, match="expected a name with a registry"):
        pushing.plan_push(session)


def test_a_cluster_of_this_machine_has_no_images(file):
    local = open_session(str(examples_folder() / "local.yaml"))

    with pytest.raises(BadClusterFile, match="controller/image: no image is named"):
        images.plan_build(local)


def test_without_an_engine_nothing_is_built_and_it_is_said(file):
    session = open_session(str(file))

    for act in (images.build, pushing.push):
        with pytest.raises(NoEngine):
            act(session, lambda _: None)
    with pytest.raises(NoEngine):
        images.plan_build(session)


def test_a_broken_lock_stops_whoever_names_the_file(file):
    file.with_suffix(".images.json").write_text("{")

    with pytest.raises(UsageError, match="is no lock of images"):
        open_session(str(file))


def test_a_commit_is_marked_where_files_differ_from_it(tmp_path):
    assert images.commit_of(tmp_path) == "unknown"


def test_the_place_of_a_name_is_what_is_pushed_to():
    names = images.image_names(
        open_session(str(examples_folder() / "eu-west4.yaml")).config, "eu.yaml"
    )

    assert names["worker"] == ImageName.parse(f"{PLACE}/iris-worker:latest")
