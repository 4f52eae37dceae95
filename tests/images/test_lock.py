"""The lock of a cluster file: what was pushed is what is started."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from iris.config import parse_config
from iris.errors import BadClusterFile, UsageError
from iris.images.lock import (
    ImageLock,
    LockedImage,
    find_lock,
    lock_file,
    pin,
    pins,
    strays,
    write_lock,
)
from iris.paths import examples_folder

DIGEST = "sha256:" + "d" * 64
PLACE = "europe-west4-docker.pkg.dev/hai-gcp-models/marin"
TEXT = (examples_folder() / "eu-west4.yaml").read_text()


def a_lock(**changes):
    made = ImageLock(
        controller=LockedImage(f"{PLACE}/iris-controller:latest", "1-c", DIGEST),
        worker=LockedImage(f"{PLACE}/iris-worker:latest", "1-w", DIGEST),
        version="1",
        commit="abc",
        base="python sha256:1",
    )
    return replace(made, **changes)


def test_a_lock_lies_beside_its_file_and_a_rehearsals_in_the_home(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("IRIS_HOME", str(tmp_path))

    beside = lock_file("/team/eu-west4.yaml", "iris-eu", is_rehearsal=False)
    rehearsed = lock_file("/team/eu-west4.yaml", "iris-eu", is_rehearsal=True)

    assert str(beside) == "/team/eu-west4.images.json"
    assert rehearsed == tmp_path / "images/iris-eu.images.json"


def test_what_was_written_is_read_and_everyone_may(tmp_path):
    path = tmp_path / "team/eu.images.json"

    write_lock(path, a_lock())

    assert find_lock(path) == a_lock()
    assert path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in path.parent.iterdir()] == ["eu.images.json"]


def test_no_lock_is_none_and_a_broken_one_is_said(tmp_path):
    broken = tmp_path / "broken.images.json"
    broken.write_text('{"controller": 1}')

    assert find_lock(tmp_path / "eu.images.json") is None
    with pytest.raises(UsageError, match="is no lock of images"):
        find_lock(broken)


def test_a_lock_that_cannot_be_written_says_where(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="cannot be written: File exists"):
        write_lock(tmp_path / "file/eu.images.json", a_lock())


def test_a_pinned_file_differs_in_its_two_images_only():
    pinned = pin(TEXT, parse_config(TEXT), a_lock())

    changed = [
        line
        for line, former in zip(pinned.splitlines(), TEXT.splitlines(), strict=True)
        if line != former
    ]
    assert changed == [
        f"  image: {PLACE}/iris-controller@{DIGEST}",
        f"  image: {PLACE}/iris-worker@{DIGEST}",
    ]


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_comments_and_foreign_letters_do_not_move_the_place(quote):
    name = f"{PLACE}/iris-worker:latest"
    text = TEXT.replace(name, f"{quote}{name}{quote}  # 工作者 🙂 the worker's")
    text = f"# Wähle weise 🙂\n{text}"

    pinned = pin(text, parse_config(text), a_lock())

    assert f"  image: {PLACE}/iris-worker@{DIGEST}  # 工作者 🙂 the worker's" in pinned
    assert parse_config(pinned).worker.image == f"{PLACE}/iris-worker@{DIGEST}"


def test_an_image_by_alias_is_refused_rather_than_half_changed():
    name = f"{PLACE}/iris-controller:latest"
    text = TEXT.replace(f"image: {name}", f"image: &it {name}")
    text = text.replace(f"image: {PLACE}/iris-worker:latest", "image: *it")
    worker = LockedImage(name, "1-w", "sha256:" + "e" * 64)

    with pytest.raises(BadClusterFile, match="cannot be named by digest"):
        pin(text, parse_config(text), a_lock(worker=worker))


def test_a_lock_of_another_name_pins_nothing_and_is_said():
    config = parse_config(TEXT.replace("iris-worker:latest", "our-jax:7"))

    assert list(pins(config, a_lock())) == ["controller"]
    assert strays(config, a_lock()) == (
        f"the lock has the worker's image {PLACE}/iris-worker:latest, the cluster "
        f"file names {PLACE}/our-jax:7: not pinned",
    )


def test_a_digest_in_the_cluster_file_is_what_counts():
    own = f"{PLACE}/iris-worker@sha256:{'0' * 64}"
    text = TEXT.replace(f"{PLACE}/iris-worker:latest", own)
    config = parse_config(text)

    assert parse_config(pin(text, config, a_lock())).worker.image == own
    assert strays(config, a_lock()) == ()


def test_without_a_lock_the_file_stays_byte_for_byte():
    assert pin(TEXT, parse_config(TEXT), None) is TEXT
