"""What an attempt leaves is packed: what can travel, and nothing from elsewhere."""

from __future__ import annotations

import os
import socket
import tarfile
from pathlib import Path

import pytest

from iris.bundles import PackedOutputs, pack_outputs, unpack
from iris.bundles.packing import opened_tar
from iris.errors import BadBundle, FellShort, Late

GIGABYTE = 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "outputs"
    made.mkdir()
    return made


def packed(folder: Path, most_bytes: int = GIGABYTE) -> PackedOutputs | None:
    return pack_outputs(folder, folder.parent / "packed", most_bytes, lambda: None)


def fetched(folder: Path, size: int) -> Path:
    into = folder.parent / "fetched"
    unpack(folder.parent / "packed", into, size)
    return into


def test_files_and_links_among_them_arrive_as_they_were(folder):
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "model.bin").write_bytes(b"weights")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o700)
    (folder / "latest").symlink_to("deep/er")

    result = packed(folder)
    into = fetched(folder, result.content_bytes)

    assert (result.files, result.content_bytes, result.left_out) == (3, 17, ())
    assert (into / "latest" / "model.bin").read_bytes() == b"weights"
    assert os.access(into / "run.sh", os.X_OK)
    assert (folder.parent / "packed").stat().st_mode & 0o777 == 0o600


def test_an_empty_folder_is_nothing(folder):
    (folder / "empty").mkdir()

    assert packed(folder) is None


def test_what_cannot_travel_is_left_out_and_named(folder, tmp_path):
    (tmp_path / "secret").write_text("not yours")
    (folder / "kept").write_text("kept")
    (folder / "out").symlink_to("../secret")
    (folder / "absolute").symlink_to(tmp_path / "secret")
    (folder / "nowhere").symlink_to("gone")
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))

    result = packed(folder)

    assert result.files == 1
    assert result.left_out == (
        f"absolute: a link out of the folder, to {tmp_path}/secret",
        "fifo: a FIFO",
        "nowhere: a link that leads nowhere, to gone",
        "out: a link out of the folder, to ../secret",
        "socket: a socket",
    )
    assert os.listdir(fetched(folder, 4)) == ["kept"]


def test_odd_bytes_in_names_arrive_and_are_printed_safely(folder):
    names = [b"line\nbreak", b"\xff\xfe", "ünïcode 😀".encode(), b"-rf"]
    for name in names:
        (folder / os.fsdecode(name)).write_text("x")
    (folder / os.fsdecode(b"bad\xff\x1b[31m")).symlink_to("gone")

    result = packed(folder)

    assert sorted(os.listdir(os.fsencode(fetched(folder, 4)))) == sorted(names)
    (left_out,) = result.left_out
    assert left_out.isprintable()
    assert left_out.startswith("bad\\udcff\\x1b[31m: ")


def test_a_folder_that_is_a_link_is_not_followed(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text("not yours")
    folder.rmdir()
    folder.symlink_to("elsewhere")

    with pytest.raises(FellShort, match="IRIS_OUTPUT_DIR is no folder that can be"):
        packed(folder)


def test_too_much_is_refused_as_a_whole_before_anything_is_written(folder):
    with (folder / "huge").open("wb") as file:
        file.truncate(50 * GIGABYTE)

    with pytest.raises(FellShort) as refused:
        packed(folder)

    words = "left 50.0 GB in IRIS_OUTPUT_DIR; more than 1.0 GB is not kept"
    assert str(refused.value) == words
    assert not (folder.parent / "packed").exists()


def test_folders_too_deep_for_anybody_are_left_out(folder):
    deep = folder
    for _ in range(102):
        deep /= "d"
        deep.mkdir()
    (folder / "kept").write_text("kept")
    assert packed(folder).left_out == (f"{'d/' * 100}d: too deep",)


def test_packing_ends_when_it_is_not_worth_while_any_more(folder):
    (folder / "file").write_bytes(bytes(1 << 20))
    calls = []

    def check():
        calls.append(1)
        if len(calls) > 3:
            raise Late("too late")

    with pytest.raises(Late):
        pack_outputs(folder, folder.parent / "packed", GIGABYTE, check)


def test_links_that_together_lead_out_are_refused_when_unpacked(folder, tmp_path):
    def link(tar, name, target):
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        tar.addfile(entry)

    with (tmp_path / "packed").open("wb") as file, opened_tar(file) as tar:
        link(tar, "a/up", "..")
        link(tar, "out", "a/up/../x")

    with pytest.raises(BadBundle, match="a link that leads out of it: out"):
        fetched(folder, 100)
