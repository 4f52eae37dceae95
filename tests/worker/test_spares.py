"""Folders of ended attempts are used again, and tell nothing of who had them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from iris.worker.folders import VmFolder
from iris.worker.spares import MOST, Spares


@pytest.fixture
def folder(tmp_path: Path) -> VmFolder:
    return VmFolder(tmp_path)


def an_ended_attempt(folder: VmFolder, uid: str = "a-1") -> Path:
    folder.make_attempt(uid)
    folder.output(uid).write_text("what it printed")
    return folder.attempt(uid)


def test_an_empty_folder_is_the_next_attempts(folder: VmFolder):
    former = an_ended_attempt(folder)
    inode = folder.work("a-1").stat().st_ino

    kept = Spares(folder).keep(former)
    taken = Spares(folder).take(folder.attempt("a-2"))

    assert kept
    assert taken
    assert not former.exists()
    assert folder.work("a-2").stat().st_ino == inode
    assert not folder.output("a-2").exists()
    assert not Spares(folder).take(folder.attempt("a-3"))


@pytest.mark.parametrize(
    "change",
    [
        lambda attempt: (attempt / "work" / "file").touch(),
        lambda attempt: (attempt / "outputs" / ".hidden").touch(),
        lambda attempt: (attempt / "deadline").touch(),
        lambda attempt: (attempt / "work").chmod(0o777),
        lambda attempt: (attempt / "outputs").rmdir(),
        lambda attempt: (attempt / "output").unlink(),
    ],
    ids=["a file", "an output", "a deadline", "a right", "a folder less", "no output"],
)
def test_what_is_not_as_it_was_made_is_removed(
    folder: VmFolder, change: Callable[[Path], object]
):
    attempt = an_ended_attempt(folder)
    change(attempt)

    assert not Spares(folder).keep(attempt)
    assert attempt.exists()


def test_an_attempt_that_was_laid_out_keeps_its_own_folder(folder: VmFolder):
    spares = Spares(folder)
    spares.keep(an_ended_attempt(folder))
    bundle = folder.work("a-2") / "train.py"
    bundle.parent.mkdir(parents=True)
    bundle.touch()

    assert not spares.take(folder.attempt("a-2"))
    assert bundle.exists()


def test_there_are_never_more_than_could_be_of_use(folder: VmFolder):
    spares = Spares(folder)

    kept = [spares.keep(an_ended_attempt(folder, f"a-{n}")) for n in range(MOST + 1)]

    assert kept == [True] * MOST + [False]
