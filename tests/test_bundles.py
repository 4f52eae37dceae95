"""A working folder travels whole, the same content always as the same bundle."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iris.bundles import Bundle, pack, unpack
from iris.errors import BadBundle
from tests.support.checkouts import git, write

ROOT = str(Path(__file__).resolve().parents[1])
PACK_HERE = "import pathlib, iris.bundles; iris.bundles.pack(pathlib.Path('.'))"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    return made


@pytest.fixture
def packed() -> Iterator[Callable[..., Bundle]]:
    made: list[Bundle] = []

    def pack_and_note(folder: Path, **bounds: int) -> Bundle:
        made.append(pack(folder, **bounds))
        return made[-1]

    yield pack_and_note
    for bundle in made:
        bundle.path.unlink(missing_ok=True)


def names_in(bundle: Bundle) -> list[str]:
    with tarfile.open(bundle.path) as tar:
        return tar.getnames()


def test_a_bundle_unpacks_to_what_was_packed(folder, packed, tmp_path):
    write(folder, "a.py", "deep/b.txt")
    (folder / "run.sh").write_text("#!/bin/sh")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("deep/b.txt")
    (folder / "deep" / "up").symlink_to("../a.py")
    (folder / "folder-link").symlink_to("deep")

    bundle = packed(folder)
    unpack(bundle.path, tmp_path / "out")

    out = tmp_path / "out"
    assert (out / "a.py").read_text() == "x"
    assert (out / "deep/up").read_text() == "x"
    assert os.readlink(out / "link") == "deep/b.txt"
    assert (out / "folder-link" / "b.txt").read_text() == "x"
    assert (out / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (out / "a.py").stat().st_mode & 0o777 == 0o644
    assert bundle.files == 6
    assert bundle.size == bundle.path.stat().st_size


def test_the_same_content_has_the_same_name_whatever_times_and_owners(tmp_path, packed):
    for place in ("one", "two"):
        write(tmp_path / place, "z", "a/b", "m")
    os.utime(tmp_path / "one" / "z", (1, 1))
    (tmp_path / "one" / "m").chmod(0o600)

    assert packed(tmp_path / "one").sha256 == packed(tmp_path / "two").sha256


def test_other_content_has_another_name(folder, packed):
    write(folder, "a", content="1")
    first = packed(folder)
    write(folder, "a", content="2")

    assert packed(folder).sha256 != first.sha256


def test_what_git_ignores_stays_at_home(folder, packed):
    git(folder, "init")
    write(folder, "tracked", "new", "big.bin", "out/log", ".venv/x", "sub/new")
    write(folder, ".gitignore", content="*.bin\nout/\n.venv/\n")
    git(folder, "add", "tracked")
    write(folder, "gone")
    git(folder, "add", "gone")
    (folder / "gone").unlink()

    assert names_in(packed(folder)) == [".gitignore", "new", "sub/new", "tracked"]


def test_a_folder_of_a_checkout_is_packed_as_the_top(folder, packed):
    git(folder, "init")
    write(folder, "outside", "sub/inside", "sub/skip.bin")
    write(folder, ".gitignore", content="*.bin\n")

    assert names_in(packed(folder / "sub")) == ["inside"]


def test_a_folder_that_its_checkout_ignores_is_packed_whole(folder, packed):
    git(folder, "init")
    write(folder, "scratch/a", "scratch/b")
    write(folder, ".gitignore", content="scratch/\n")

    assert names_in(packed(folder / "scratch")) == ["a", "b"]


def test_a_checkout_within_a_checkout_travels_by_its_own_rules(folder, packed):
    git(folder, "init")
    write(folder, "a", "inner/b", "inner/c.bin")
    git(folder / "inner", "init")
    write(folder / "inner", ".gitignore", content="*.bin\n")

    assert names_in(packed(folder)) == ["a", "inner/.gitignore", "inner/b"]


def test_outside_git_all_but_caches_travels(folder, packed):
    write(folder, "a", ".env", ".venv/x", "__pycache__/y", "sub/__pycache__/z", "sub/b")

    assert names_in(packed(folder)) == [".env", "a", "sub/b"]


def test_a_name_that_is_no_text_travels(folder, packed, tmp_path):
    name = os.fsdecode(b"\xff\xfe \xc3\xa9")
    write(folder, name)

    unpack(packed(folder).path, tmp_path / "out")

    assert os.listdir(tmp_path / "out") == [name]


def test_a_folder_that_is_too_large_names_its_largest_files(folder):
    write(folder, "small", content="x" * 10)
    write(folder, "huge", content="x" * 3_000_000)

    with pytest.raises(BadBundle, match=r"3\.0 MB in 2 files") as caught:
        pack(folder, max_bytes=1_000_000)

    assert "the largest: huge (3.0 MB), small" in str(caught.value)
    assert "--no-bundle" in caught.value.hint


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere", "the link bad leads nowhere: nowhere"),
        ("/etc/passwd", "the link bad leads out of the folder: /etc/passwd"),
        ("../other", "the link bad leads out of the folder"),
        ("bad", "the link bad leads nowhere"),
    ],
)
def test_a_link_that_would_not_hold_there_is_refused(folder, target, words):
    write(folder, "a")
    write(folder.parent, "other")
    (folder / "bad").symlink_to(target)

    with pytest.raises(BadBundle, match=words):
        pack(folder)


def test_a_pipe_is_refused(folder):
    os.mkfifo(folder / "pipe")

    with pytest.raises(BadBundle, match="pipe is neither a file nor a link"):
        pack(folder)


def test_an_empty_folder_is_refused(folder):
    with pytest.raises(BadBundle, match="has no files"):
        pack(folder)


def test_a_folder_that_is_not_there_is_refused(folder):
    with pytest.raises(BadBundle, match="is not a folder"):
        pack(folder / "missing")


def test_a_refused_folder_leaves_no_file_behind(folder, tmp_path):
    (tmp_path / "temporary").mkdir()
    write(folder, "a")
    os.mkfifo(folder / "pipe")

    packing = subprocess.run(
        (sys.executable, "-c", PACK_HERE),
        cwd=folder,
        env=os.environ | {"TMPDIR": str(tmp_path / "temporary"), "PYTHONPATH": ROOT},
        capture_output=True,
        check=False,
    )

    assert b"BadBundle" in packing.stderr
    assert os.listdir(tmp_path / "temporary") == []


def test_the_file_goes_with_its_block(folder):
    write(folder, "a")

    with pack(folder) as bundle:
        assert bundle.path.exists()

    assert not bundle.path.exists()


def evil(tmp_path: Path, *entries: tuple[str, bytes, str]) -> Path:
    path = tmp_path / "evil.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, target in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            entry.size = 1 if kind == tarfile.REGTYPE else 0
            tar.addfile(entry, io.BytesIO(b"x"))
    return path


@pytest.mark.parametrize(
    "entries",
    [
        [("../out-of-it", tarfile.REGTYPE, "")],
        [("/tmp/iris-absolute", tarfile.REGTYPE, "")],
        [("l", tarfile.SYMTYPE, "/etc")],
        [("l", tarfile.SYMTYPE, "../..")],
        [("l", tarfile.SYMTYPE, "d"), ("l/x", tarfile.REGTYPE, "")],
        [("hard", tarfile.LNKTYPE, "/etc/passwd")],
        [("device", tarfile.CHRTYPE, "")],
        [("twice", tarfile.REGTYPE, ""), ("twice", tarfile.REGTYPE, "")],
    ],
)
def test_nothing_is_written_outside_the_folder(tmp_path, entries):
    path = evil(tmp_path, *entries)

    with pytest.raises(BadBundle):
        unpack(path, tmp_path / "deep" / "out")

    assert sorted(os.listdir(tmp_path / "deep")) == ["out"]
    assert not os.path.exists("/tmp/iris-absolute")


def test_a_bundle_that_grows_too_large_is_stopped(folder, packed, tmp_path):
    write(folder, "zeros", content="0" * 5_000_000)
    path = packed(folder).path

    with pytest.raises(BadBundle, match="unpacks to more than"):
        unpack(path, tmp_path / "out", max_bytes=1_000_000)


@pytest.mark.parametrize("keep", [0, 10, 60])
def test_half_a_bundle_is_refused(folder, packed, tmp_path, keep):
    write(folder, "a", content=os.urandom(500).hex())
    half = tmp_path / "half"
    half.write_bytes(packed(folder).path.read_bytes()[:keep])

    with pytest.raises(BadBundle, match="cannot be unpacked"):
        unpack(half, tmp_path / "out")


def test_a_bundle_goes_into_a_folder_of_its_own(folder, packed, tmp_path):
    write(folder, "a")
    write(tmp_path / "out", "mine")

    with pytest.raises(BadBundle, match="is not empty"):
        unpack(packed(folder).path, tmp_path / "out")
